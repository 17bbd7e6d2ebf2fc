"""Redis behind real Sentinels: the master is found by its name, and a failover is followed."""

import signal
import socketserver
import subprocess
import threading

import pytest
import redis
from harness import PATIENCE_S, Node, RedisServer, end, eventually, free_port, start

IMPORT = "from shared import halopsa; answer = [halopsa.VERSION, execution.source]"


class Guarded:
    """A node whose Redis has one replica, both watched by one sentinel."""

    def __init__(self):
        self.master_port, self.replica_port, self.sentinel_port = free_port(), free_port(), free_port()
        self.node = Node("--port", str(self.master_port))
        self.master = self.node.redis.start()
        directory = self.node.directory / "replica"
        directory.mkdir()
        self.replica = RedisServer(directory, "--port", str(self.replica_port), "--replicaof", "127.0.0.1",
                                   str(self.master_port), "--repl-diskless-sync-delay", "0").start()
        settings = self.node.directory / "sentinel.conf"
        settings.write_text(f"port {self.sentinel_port}\ndir {self.node.directory}\n"
                            f"sentinel monitor modules 127.0.0.1 {self.master_port} 1\n"
                            "sentinel down-after-milliseconds modules 500\nsentinel failover-timeout modules 3000\n")
        self.sentinel = start(["redis-server", settings, "--sentinel"], stdout=subprocess.DEVNULL)
        asked = redis.Redis("127.0.0.1", self.sentinel_port)  # a bare system may not know localhost
        eventually(lambda: self.knows_replica(asked), "the sentinel knows the replica")

    @staticmethod
    def knows_replica(sentinel):
        try:
            known = sentinel.sentinel_slaves("modules")
        except redis.exceptions.ConnectionError:
            return False
        return any("s_down" not in one["flags"] and one["master-link-status"] == "ok" for one in known)

    def url(self, master="modules"):
        # Nobody listens at the first one.
        return f"redis+sentinel://127.0.0.1:1,127.0.0.1:{self.sentinel_port}/{master}/0"

    def is_promoted(self):
        try:
            return self.replica.client().role()[0] == b"master"
        except redis.exceptions.ConnectionError:
            return False  # who promotes a server cuts its clients off, in the same transaction

    def fail_over(self):
        self.master.process.send_signal(signal.SIGKILL)
        self.master.process.wait(PATIENCE_S)
        eventually(self.is_promoted, "the replica is promoted")
        self.node.redis = self.replica

    def close(self):
        end(self.sentinel)
        self.master.stop()
        self.replica.stop()
        self.node.close()


@pytest.fixture
def guarded():
    it = Guarded()
    try:
        yield it
    finally:
        it.close()


def test_a_failover_is_followed_by_agent_and_workers(guarded):
    node = guarded.node
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.put("other.py", "X = 1\n")
    node.agent_url = guarded.url()
    node.start_agent()
    node.wait("--fresh")
    worker = node.worker(BIFROST_REDIS_URL=guarded.url())
    worker.do("bifrost_cache.begin_execution()\nimport other")
    assert node.run(IMPORT) == [1, "shm"]
    eventually(lambda: guarded.replica.client().exists("bifrost:module:other.py"), "the replica has everything")
    guarded.fail_over()
    node.put("shared/halopsa.py", "VERSION = 2\n")
    eventually(lambda: node.agent.log.count("event=synced") >= 2, "the agent follows the new master")
    node.wait("--fresh")
    assert node.run(IMPORT) == [2, "shm"]
    node.agent.kill()
    node.put("shared/halopsa.py", "VERSION = 3\n")
    assert worker.do("execution = bifrost_cache.begin_execution(); " + IMPORT) == [3, "redis"]


def test_a_failover_that_was_asked_for_is_followed_while_the_old_master_still_answers(guarded):
    node = guarded.node
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.agent_url = guarded.url()
    node.start_agent()
    node.wait("--fresh")
    sentinel = redis.Redis("127.0.0.1", guarded.sentinel_port)
    assert sentinel.execute_command("SENTINEL", "FAILOVER", "modules")
    eventually(guarded.is_promoted, "the replica is promoted")
    eventually(lambda: "the sentinels name another master" in node.agent.log, "the agent hears of it")
    node.redis = guarded.replica
    node.put("shared/halopsa.py", "VERSION = 2\n")
    eventually(lambda: node.agent.log.count("event=synced") >= 2, "the agent follows the new master")
    node.wait("--fresh")
    assert node.run(IMPORT) == [2, "shm"]


class Mute(socketserver.BaseRequestHandler):
    """A sentinel that answers PING, and nothing else."""

    def handle(self):
        while received := self.request.recv(1 << 16):
            if b"PING" in received:
                self.request.sendall(b"+PONG\r\n")


def test_a_sentinel_that_does_not_answer_the_question_is_passed_over(guarded):
    guarded.node.put("shared/halopsa.py", "VERSION = 1\n")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mute) as mute:
        threading.Thread(target=mute.serve_forever, daemon=True).start()
        guarded.node.agent_url = guarded.url().replace("127.0.0.1:1,", f"127.0.0.1:{mute.server_address[1]},")
        guarded.node.start_agent()
        guarded.node.agent.kill()
        mute.shutdown()


class Stale(socketserver.BaseRequestHandler):
    """A sentinel that came back with its old file: its master has gone."""

    def handle(self):
        while received := self.request.recv(1 << 16):
            self.request.sendall(b"+PONG\r\n" if b"PING" in received else b"*2\r\n$9\r\n127.0.0.1\r\n$1\r\n1\r\n")


def test_why_a_master_is_not_reached_is_said_though_other_sentinels_are_not_either(guarded):
    node = guarded.node
    url = guarded.url().replace("redis+sentinel://", "redis+sentinel://:wrong@").replace("127.0.0.1:1,", "")
    hosts = url.partition("@")[2].partition("/")[0]
    url = url.replace(hosts, f"{hosts},127.0.0.1:1")
    said = node.worker(BIFROST_REDIS_URL=url).error_of("bifrost_cache.begin_execution()\nimport nowhere")
    assert "refused AUTH" in said


def test_a_sentinel_that_names_a_master_of_long_ago_is_passed_over(guarded):
    node = guarded.node
    node.put("shared/halopsa.py", "VERSION = 1\n")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Stale) as stale:
        threading.Thread(target=stale.serve_forever, daemon=True).start()
        node.agent_url = guarded.url().replace("127.0.0.1:1,", f"127.0.0.1:{stale.server_address[1]},")
        worker = node.worker(BIFROST_REDIS_URL=node.agent_url)
        assert worker.do("execution = bifrost_cache.begin_execution(timeout=5); " + IMPORT) == [1, "redis"]
        node.start_agent()
        node.wait("--fresh")
        node.agent.kill()
        stale.shutdown()


def test_a_master_that_no_sentinel_knows_is_named_in_the_reason(guarded):
    node = guarded.node
    node.agent_url = guarded.url("nobody")
    node.start_agent(ready=False)
    eventually(lambda: "knows no master `nobody`" in node.agent.log, "the agent says so")
    result = node.cachectl("--redis-url", guarded.url("nobody"), "diff")
    assert b"knows no master `nobody`" in result.stderr
