"""System calls of worker and agent that fail once: the right module, or a clear end; no crash, no hang.

One error for each call by default; BIFROST_SYSCALLS=all tries five, for every occurrence (minutes).
"""

import itertools
import os
import re
import shutil
import subprocess
import sys

import pytest
from harness import AGENT, PATIENCE_S, PREFIX, eventually

EVERYTHING = os.environ.get("BIFROST_SYSCALLS") == "all"
ERRORS = ["EIO", "ENOMEM", "EINTR", "EAGAIN", "EACCES"] if EVERYTHING else ["EIO"]
MOST = 40  # occurrences of one call

# clock_gettime is not a system call here (vDSO): test_clock.py. mmap, read and openat are those of our files, since
# an interpreter without its own libraries shows nothing; of the agent also the connections'.
OF_WORKER = ["openat", "pread64", "mmap", "newfstatat", "fcntl", "close", "connect", "socket", "sendto", "recvfrom", "poll"]
OF_AGENT = ["openat", "fallocate", "rename", "flock", "ftruncate", "mkdir", "fchmod", "getdents64", "unlink", "statfs",
            "connect", "socket", "bind", "listen", "sendto", "recvfrom", "accept4", "eventfd2",
            "pwrite64"]
OF_ADOPTION = ["openat", "pread64", "mmap", "rename", "flock", "ftruncate", "getdents64", "unlink", "fallocate", "newfstatat"]
OF_GROWTH = ["openat", "mmap", "fallocate", "rename", "ftruncate", "statfs", "sendto", "recvfrom"]
OF_FILES = ["openat", "pread64", "mmap", "newfstatat", "fcntl", "close"]

WORKER = """
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
source = bifrost_cache.begin_execution().source
import a
print("value", a.VALUE, source)
"""


def with_failure(node, call, error, occurrence, command):
    """The command below strace, and the file in which it notes what it made fail."""
    notes = node.directory / "strace"
    files = [node.segment_dir, *node.segment_dir.glob("*"), node.segment_dir / "segment", node.segment_dir / "control.sock"]
    of_files = [word for file in files for word in ("-P", file)] if call in OF_FILES else []
    return ["strace", "-f", "-qq", "-o", notes, *of_files, "-e", f"trace={call}",
            "-e", f"inject={call}:error={error}:when={occurrence}", *command], notes


def each_failure(most, fails):
    """Calls `fails(error, occurrence)` for each error and occurrence, until nothing was made to fail: it returns False."""
    failures = 0
    for error in ERRORS:
        for occurrence in range(1, MOST if EVERYTHING else most):
            if not fails(error, occurrence):
                break
            failures += 1
    assert failures > 0, "nothing failed: this tests nothing"


def try_each_failure_of(node, call, prepare=lambda: None):
    agent = [AGENT, "--redis-url", node.redis.url, "--segment-dir", node.segment_dir]

    def fails(error, occurrence):
        prepare()
        return try_agent(node, *with_failure(node, call, error, occurrence, agent))

    each_failure(6, fails)


@pytest.fixture(scope="module", autouse=True)
def strace():
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip("processes cannot be traced here: " + tried.stderr.strip())


@pytest.mark.parametrize("call", OF_WORKER)
def test_a_worker_gets_the_right_module_whatever_fails(node, call):
    node.put("a.py", "VALUE = 1\n")
    node.start_agent()

    def fails(error, occurrence):
        command, notes = with_failure(node, call, error, occurrence, [sys.executable, "-B", "-c", WORKER])
        done = subprocess.run(command, env=node.environment(), capture_output=True, text=True, timeout=PATIENCE_S)
        if "INJECTED" not in notes.read_text():
            return False
        assert done.returncode == 0 and done.stdout.startswith("value 1 "), (error, occurrence, done)
        return True

    each_failure(MOST, fails)


@pytest.mark.parametrize("call", OF_AGENT)
def test_an_agent_starts_or_says_why_not_whatever_fails(node, call):
    node.put("a.py", "VALUE = 1\n")
    try_each_failure_of(node, call, prepare=lambda: shutil.rmtree(node.segment_dir, ignore_errors=True))


def try_agent(node, command, notes):
    """False when nothing was made to fail."""
    log = node.directory / "log"
    with open(log, "wb") as stderr:
        agent = subprocess.Popen(command, env=node.environment(), stderr=stderr, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: agent.poll() is not None or node.cachectl("wait", "--ready", "--timeout", "1s").returncode == 0,
                   f"it is ready or ends: {command[-6]}")
        assert agent.poll() in (None, 1), log.read_text()
        if agent.poll() == 1:
            assert re.search("^bifrost-agent: .+", log.read_text(), flags=re.MULTILINE), "it says why"
        done = subprocess.run([sys.executable, "-B", "-c", WORKER], env=node.environment(), capture_output=True, text=True,
                              timeout=PATIENCE_S)
        assert done.stdout.startswith("value 1 "), (log.read_text(), done)
        return "INJECTED" in notes.read_text()
    finally:
        # strace ends with what it traces, and with SIGTERM lets go of it.
        subprocess.run(["pkill", "-TERM", "-P", str(agent.pid)], check=False)
        agent.wait(PATIENCE_S)


@pytest.mark.parametrize("call", OF_ADOPTION)
def test_an_agent_that_takes_over_starts_or_says_why_not_whatever_fails(node, call):
    """And what only the node still has, since its key has expired, is there when the failure is over."""
    node.put("a.py", "VALUE = 1\n")
    node.put("only_here.py", "VALUE = 2\n")
    node.put_many((f"many/m{n}.py", f"VALUE = {n}\n" * 100) for n in range(500))
    node.start_agent()
    node.redis.let_expire(PREFIX + "only_here.py")
    eventually(lambda: node.status()["retained"] == 1, "its key has expired")
    node.agent.stop()
    try_each_failure_of(node, call)
    node.start_agent()
    assert node.run("import only_here; answer = only_here.VALUE") == 2


GROWN = """
import bifrost_cache, importlib, sys
bifrost_cache.install_virtual_import_hook()
bifrost_cache.begin_execution(timeout=20)
print({importlib.import_module(f"grown.m{n}").VALUE for n in range(0, 3000, 100)}, importlib.import_module("large").VALUE)
"""


@pytest.mark.parametrize("call", OF_GROWTH)
def test_an_agent_that_grows_serves_what_is_there_whatever_fails(node, call):
    """The table is built anew and chunks are begun while a call of the agent fails."""
    values = itertools.count(1)

    def fails(error, occurrence):
        shutil.rmtree(node.segment_dir, ignore_errors=True)
        node.redis.client().flushall()
        agent = node.start_agent()
        notes = node.directory / "strace"
        # Of all files: those that are to come have no name yet.
        tracer = subprocess.Popen(["strace", "-f", "-o", notes, "-p", str(agent.process.pid), "-e", f"trace={call}",
                                   "-e", f"inject={call}:error={error}:when={occurrence}"], stderr=subprocess.PIPE)
        assert b"attached" in tracer.stderr.readline()
        value = next(values)
        node.put("large.py", f"VALUE = {value}\n" + "#" * 3_000_000)
        node.put_many((f"grown/m{n}.py", f"VALUE = {value}\n") for n in range(3000))
        try:
            done = subprocess.run([sys.executable, "-B", "-c", GROWN], env=node.environment(), capture_output=True,
                                  text=True, timeout=2 * PATIENCE_S)
            assert done.stdout == f"{{{value}}} {value}\n", (done, agent.log[-2000:])
            assert agent.process.poll() is None, agent.log[-2000:]
        finally:
            tracer.terminate()
            tracer.communicate(timeout=PATIENCE_S)
            assert agent.stop() in (0, 1)
        return "INJECTED" in notes.read_text()

    each_failure(4, fails)
