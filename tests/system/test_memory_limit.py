"""The agent in a cgroup that limits its memory: pages of the segment are charged to it, and history must not get it killed.
BIFROST_CHURN_SECONDS=600 for a long run (22 by default)."""

import os
import pathlib
import time

import pytest
from harness import AGENT

SECONDS = float(os.environ.get("BIFROST_CHURN_SECONDS", "22"))
LIMIT = 128 << 20
BYTES_PER_SECOND = 10_000_000
MODULE_BYTES = 100_000
ROOTS = [(pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.oom_control"),
         (pathlib.Path("/sys/fs/cgroup"), "memory.max", "memory.events")]


class MemoryCgroup:
    def __init__(self, name):
        for root, limit, self._events in ROOTS:
            self.path = root / name
            try:
                self.path.mkdir()
                (self.path / limit).write_text(str(LIMIT))
                return
            except OSError:
                self.close()
        pytest.skip("no cgroup can be given a memory limit here")

    def oom_kills(self):
        words = (self.path / self._events).read_text().split()
        return int(words[words.index("oom_kill") + 1])

    def close(self):
        if self.path.is_dir():
            self.path.rmdir()


@pytest.fixture
def limited(node):
    """An agent in a cgroup of 128 MiB."""
    cgroup = MemoryCgroup(f"bifrost-test-{os.getpid()}")
    start = node.directory / "start"
    start.write_text(f"#!/bin/sh\necho $$ >{cgroup.path}/cgroup.procs && exec {AGENT} \"$@\"\n")
    start.chmod(0o755)
    try:
        node.start_agent(program=start)
        yield cgroup
    finally:
        node.agent.kill()
        cgroup.close()


def test_an_agent_whose_memory_is_limited_survives_churn(node, limited):
    assert node.status()["memory"]["max"] <= LIMIT // 2
    client = node.redis.client()
    padding = "#" * MODULE_BYTES
    written, begin = 0, time.monotonic()
    while time.monotonic() < begin + SECONDS:
        path = f"flows/m{written % 100}.py"  # 10 MB of modules
        client.set(f"bifrost:module:{path}", node.value(path, f"N = {written}\n{padding}"))
        client.sadd("bifrost:module:index", path)
        written += 1
        time.sleep(max(0, begin + written * MODULE_BYTES / BYTES_PER_SECOND - time.monotonic()))
    assert written * MODULE_BYTES > 1.5 * LIMIT, "too little was written: this tests nothing"
    node.wait("--fresh")
    assert limited.oom_kills() == 0 and node.agent.process.poll() is None
    status = node.status()
    assert (status["modules"], status["not_mirrored"]) == (100, 0)
    last = written - 1
    assert node.run(f"import flows.m{last % 100} as m\nanswer = m.N") == last
