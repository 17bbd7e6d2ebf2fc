"""What one MULTI writes is seen whole, however busy writers are and whatever happens to agent and Redis.

BIFROST_CUTS_SECONDS=60 for the long form; the short one plays every fault once.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from group_traffic import SteadyWriter
from harness import eventually

SECONDS = float(os.environ.get("BIFROST_CUTS_SECONDS", "0"))
GROUP = [f"together/m{i}.py" for i in range(12)]
SINGLES = [f"single/m{i}.py" for i in range(4)]
READER = pathlib.Path(__file__).with_name("group_traffic.py")


class Traffic:
    """Writers without a pause and readers on a node; `finish()` gives what the readers saw, added up."""

    def __init__(self, node, group, singles, readers=2, group_rate=1000):
        self.node = node
        self.writers = [SteadyWriter(node.redis.socket, group, group_rate)]
        self.writers += [SteadyWriter(node.redis.socket, [path], 250) for path in singles]
        self.results = [node.directory / f"judged-{i}.json" for i in range(readers)]
        self.readers = []
        self.giveups = self.retries = 0

    def start_writers(self):
        for writer in self.writers:
            writer.start()
        eventually(lambda: all(writer.acknowledged for writer in self.writers), "everything has been written once")

    def start_readers(self):
        for result in self.results:
            self.readers.append(subprocess.Popen([sys.executable, "-B", READER, result, *self.writers[0].paths],
                                                 stdin=subprocess.PIPE, env=self.node.environment()))

    def new_agent(self):
        """What the one before had counted is kept: its segment outlives it."""
        self.note_counters()
        self.node.start_agent("--lease", "1s")

    def note_counters(self):
        counters = json.loads(self.node.cachectl("stats", "-o", "json").stdout)["counters"]
        # An agent adopts the segment of the one before, but counts from zero.
        self.giveups += counters["group_giveups_total"]
        self.retries += counters["cut_retries_total"]

    def finish(self):
        for reader in self.readers:
            reader.stdin.close()
        for reader in self.readers:
            assert reader.wait(30) == 0
        for writer in self.writers:
            writer.stop()
        self.note_counters()
        return [json.loads(result.read_text()) for result in self.results]

    def kill(self):
        for reader in self.readers:
            reader.kill()
            reader.wait(30)
        for writer in self.writers:
            writer.stopping = True


def kill_agent(traffic):
    traffic.node.agent.kill()
    traffic.new_agent()


def kill_clients(traffic):
    for kind in ("pubsub", "normal"):
        traffic.node.redis.client().client_kill_filter(_type=kind)
        lease_again(traffic.node)


def restart_redis(traffic):
    traffic.node.redis.process.send_signal(signal.SIGKILL)
    traffic.node.redis.process.wait(30)
    traffic.node.redis.start()
    lease_again(traffic.node)


def resync(traffic):
    assert traffic.node.cachectl("sync").returncode == 0
    lease_again(traffic.node)


def stop_redis_for_a_moment(traffic):
    traffic.node.redis.pause()
    time.sleep(0.3)  # the fault itself
    traffic.node.redis.resume()
    lease_again(traffic.node)


def lease_again(node):
    node.wait("--ready")
    node.wait("--fresh")


def seen_again(traffic):
    """The mirror follows for some generations."""
    begun = traffic.node.status()["generation"]
    eventually(lambda: traffic.node.status()["generation"] > begun + 100, "changes are committed")


FAULTS = [kill_clients, resync, kill_agent, restart_redis, stop_redis_for_a_moment]


@pytest.fixture
def traffic(node):
    begun = []

    def begin(*args, **options):
        begun.append(Traffic(node, *args, **options))
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()


def play(traffic):
    end = time.monotonic() + SECONDS
    while True:
        for fault in FAULTS:
            fault(traffic)
            seen_again(traffic)
        if time.monotonic() >= end:
            return


def test_groups_are_seen_whole_while_writers_never_pause(node, traffic):
    load = traffic(GROUP, SINGLES)
    load.start_writers()
    node.start_agent("--lease", "1s")
    load.start_readers()
    begun, written = time.monotonic(), load.writers[0].acknowledged
    play(load)
    rate = (load.writers[0].acknowledged - written) / (time.monotonic() - begun)
    judged = load.finish()
    print(f"{rate:.0f} groups/s, {load.retries} more re-reads, {judged}")
    assert [found["torn"] for found in judged] == [[], []]
    assert load.giveups == 0
    for found in judged:
        assert found["served"]["shm"] > 100 and found["versions"] > 20, "the mirror followed"
        assert "lost" not in found["served"]
    assert node.status()["redis"]["cuts"] == "marks"
