"""Processes that fork, thread, signal and end at random, over modules that change all the time: each ends as it should, and
no execution sees two versions, or an older one than was acknowledged before it began.

BIFROST_LIVES_SECONDS=3600 goes on for an hour; BIFROST_LIVES_SEED=N begins with that life.
"""

import json
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from lives import ENDS, LIVE, fate_of, life

LIVES = 40
SECONDS = float(os.environ.get("BIFROST_LIVES_SECONDS", "0"))
FIRST = int(os.environ.get("BIFROST_LIVES_SEED", "1"))
LONGEST_S = 60


class Writer:
    """Writes the whole group anew in one MULTI, again and again, and shows which version was acknowledged last."""

    def __init__(self, node):
        self.path = node.directory / "acknowledged"
        self.path.write_bytes(bytes(8))
        with open(self.path, "r+b") as file:
            self._shown = mmap.mmap(file.fileno(), 8)
        self._node, self._client = node, node.redis.client()
        self._ended, self.version = threading.Event(), 0
        self._write()
        self._thread = threading.Thread(target=self._run)

    def _write(self):
        self.version += 1
        group = self._client.pipeline(transaction=True)
        for n in range(6):
            value = self._node.value(f"group/m{n}.py", f"VERSION = {self.version}\n", str(self.version))
            group.setex(f"bifrost:module:group/m{n}.py", 86400, value)
            group.sadd("bifrost:module:index", f"group/m{n}.py")
        group.execute()
        self._shown[:8] = self.version.to_bytes(8, "little")

    def _run(self):
        while not self._ended.wait(0.002):
            self._write()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join(30)


def lived(node, seed, acknowledged):
    """What is wrong with this life, or None."""
    steps = life(random.Random(seed))
    complaints = node.directory / "complaints"
    complaints.write_text("")
    process = subprocess.Popen([sys.executable, "-c", LIVE, json.dumps(steps), str(acknowledged), str(complaints), json.dumps(ENDS)],
                               env=node.environment(), cwd=node.directory, stderr=subprocess.PIPE, start_new_session=True)
    try:
        errors = process.communicate(timeout=LONGEST_S)[1].decode()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        process.communicate()
        return f"seed {seed} hangs: {steps}"
    wrong = complaints.read_text() + errors
    if process.returncode != fate_of(steps):
        wrong += f"ended with {process.returncode}"
    return f"seed {seed}: {wrong}\n{steps}" if wrong else None


@pytest.fixture
def written(node):
    node.put_many([(f"apart/t{n}.py", "") for n in range(4)])
    with Writer(node) as writer:
        yield writer


def test_lives_of_all_kinds_end_as_they_should_and_see_one_version(node, written):
    until = time.monotonic() + SECONDS
    seed = FIRST
    while seed < FIRST + LIVES or time.monotonic() < until:
        assert (wrong := lived(node, seed, written.path)) is None, wrong
        seed += 1
    print(f"{seed - FIRST} lives")
    assert written.version > LIVES
