"""The agent where its file system has no room: a tmpfs of a few MiB in a mount namespace of its own.

Everybody reaches it through /proc/PID/root of the process that holds the namespace.
"""

import os
import pathlib
import select
import signal
import subprocess

import pytest
from harness import PATIENCE_S, eventually
from harness.namespaces import IN_MOUNT_NAMESPACE


class SmallFileSystem:
    def __init__(self, directory, size):
        self.directory = directory
        directory.mkdir()
        self.holder = subprocess.Popen(
            [*IN_MOUNT_NAMESPACE, "sh", "-c",
             f"mount -t tmpfs -o size={size},mode=755 bifrost-test '{directory}' && echo mounted && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        select.select([self.holder.stdout], [], [], PATIENCE_S)
        if self.holder.stdout.readline() != "mounted\n":
            pytest.skip("mount namespaces are not permitted here: " + self.holder.communicate()[1].strip())
        self.path = pathlib.Path(f"/proc/{self.holder.pid}/root{directory}")

    def resize(self, size):
        subprocess.run(["nsenter", "--target", str(self.holder.pid), "--mount", *(["--user"] if os.geteuid() else []),
                        "mount", "-o", f"remount,size={size}", self.directory], check=True, timeout=PATIENCE_S)

    def close(self):
        self.holder.communicate(timeout=PATIENCE_S)  # `cat` ends with its input, and the namespace with it


@pytest.fixture
def small(node):
    systems = []

    def make(size):
        systems.append(SmallFileSystem(node.directory / f"small{len(systems)}", size))
        node.segment_dir = systems[-1].path
        return systems[-1]

    yield make
    if node.agent and node.agent.process.poll() is None:
        node.agent.kill()
    for system in systems:
        system.close()


def names(count):
    return [f"big/m{n}.py" for n in range(count)]


IMPORT_ALL = """
import importlib
answer = {n: importlib.import_module(f"big.m{n}").N for n in range(24)}
answer["fallbacks"] = bifrost_cache.stats()["fallbacks"]
"""


def test_what_does_not_fit_comes_from_redis_until_there_is_room(node, small):
    file_system = small("12m")  # for most of the modules
    node.start_agent("--reconcile", "1s", "--max-size", "64M")  # the default would be what the file system has now
    for n, path in enumerate(names(24)):
        node.put(path, f"N = {n}\n#" + "x" * 500_000)
    full = eventually(lambda: (s := node.status())["modules"] + s["not_mirrored"] == 24 and s["state"] == "degraded" and s,
                      "all are known, and the lack of room is")
    assert full["ready"]
    assert 0 < full["not_mirrored"] < 24
    assert full["memory"]["size"] <= 12 << 20
    assert "the file system has no room" in node.cachectl("list", "-o", "wide").stdout.decode()
    assert "remount,size=" in node.cachectl("doctor").stdout.decode()

    answer = node.run(IMPORT_ALL)
    assert answer.pop("fallbacks") == full["not_mirrored"]
    assert answer == {str(n): n for n in range(24)}

    # What is there goes on being followed.
    there = next(p for p in names(24) if node.cachectl("show", p).returncode == 0)
    node.put(there, "N = 'new'\n")
    node.wait("--ready")
    assert node.run(f"import big.{there[4:-3]} as m\nanswer = m.N") == "new"

    file_system.resize("64m")
    eventually(lambda: (s := node.status())["not_mirrored"] == 0 and s["state"] == "live",
               "room is used without anybody writing")
    assert node.run(IMPORT_ALL.replace("big.m{n}\").N", "big.m{n}\").__name__"))["fallbacks"] == 0


def test_a_neighbour_that_takes_all_room_is_said_to_be_what_keeps_the_mirror_from_being_ready(node, small):
    file_system = small("12m")
    node.put_many((f"p/m{n}.py", f"V = {n}\n#" + "x" * 3000) for n in range(500))
    node.start_agent("--max-size", "10M")
    with open(file_system.path / "filler", "wb") as filler:
        left = os.statvfs(file_system.path)
        os.posix_fallocate(filler.fileno(), 0, left.f_bfree * left.f_frsize)
    for n in range(400):
        node.put(f"p/m{n}.py", f"V = 'new {n}'\n#" + "y" * 3000)
    problem = eventually(lambda: next((p for p in node.status()["problems"] if "old version" in p["what"]), None), "it is said")
    assert problem["name"] == "segment_full" and problem["blocks"] and "df" in problem["advice"]
    assert node.run("import p.m399 as m; answer = execution.source, m.V") == ["redis", "new 399"]
    os.truncate(file_system.path / "filler", 0)
    node.wait("--ready")
    assert node.run("import p.m399 as m; answer = execution.source, m.V") == ["shm", "new 399"]


def test_no_lease_returns_while_a_deletion_waits_for_room(node, small):
    small("12m")
    folder = "/".join(letter * 150 for letter in "abcde")  # what says "deleted" takes as much room as what it deletes
    paths = [f"{folder}/m{n}.py" for n in range(3400)]
    client = node.redis.client()
    together = client.pipeline(transaction=False)
    for path in paths:
        together.set(f"bifrost:module:{path}", node.value(path, ""))
    together.sadd("bifrost:module:index", "other.py", *paths)
    together.execute()
    agent = node.start_agent("--reconcile", "1s")  # which must not make it forget what waits
    assert node.status()["modules"] == len(paths)

    # Everything goes while the agent does not look, so that it must record it all before it may commit.
    agent.process.send_signal(signal.SIGSTOP)
    client.delete(*(f"bifrost:module:{path}" for path in paths))
    client.srem("bifrost:module:index", *paths)
    for kind in ("normal", "pubsub"):
        client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    agent.process.send_signal(signal.SIGCONT)
    eventually(lambda: "event=redis_lost" in agent.log, "the connection breaks, and with it the lease")
    node.wait("--ready")
    assert node.status()["modules"] == 0, agent.log
    assert agent.log.count("event=synced") >= 3, "there was room for all of it at once: this tests nothing"


def test_an_agent_that_finds_no_room_at_all_says_so_and_workers_use_redis(node, small):
    small("8k")
    node.put("shared/halopsa.py", "VERSION = 1\n")
    agent = node.start_agent(ready=False)
    assert agent.process.wait(PATIENCE_S) == 1
    assert "no space left; enlarge the file system of the segment directory or lower --max-size" in agent.log
    assert node.run("import shared.halopsa as m\nanswer = m.VERSION") == 1
    assert node.cachectl("doctor").returncode != 0


CHUNK = 4 << 20  # the least


def test_ten_restarts_in_64_mib_get_ready_and_take_no_more_than_two_chunks_beyond_what_is_kept(node, small):
    file_system = small("64m")
    for n in range(48):
        node.put(f"big/m{n}.py", f"N = {n}\n#" + "x" * (256 << 10))
    for restart in range(11):
        node.start_agent()
        status = node.status()
        assert status["modules"] == 48 and status["not_mirrored"] == 0
        space = os.statvfs(file_system.path)
        taken = (space.f_blocks - space.f_bfree) * space.f_frsize
        kept = status["memory"]["used"] + status["memory"]["reclaimable"]
        assert taken <= kept + 2 * CHUNK, (restart, status["memory"])
        node.put(f"big/m{restart}.py", f"N = -{restart}\n#" + "y" * (256 << 10))
        node.wait("--fresh")
        assert node.run(f"import big.m{restart} as m\nanswer = [m.N, execution.source]") == [-restart, "shm"]
        (node.agent.kill if restart % 2 else node.agent.stop)()


def test_doctor_wants_no_more_room_than_max_size_lets_a_segment_take(node, small):
    small("6m")
    node.start_agent("--max-size", "2M")
    (room,) = [f["what"] for f in node.cachectl.json("doctor")["findings"] if " free" in f["what"]]
    assert "takes up to" not in room
