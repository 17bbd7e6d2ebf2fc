"""Agents and workers that may have next to nothing: they serve the right module, or end or raise with a sentence that says
why. An agent that is without descriptors for its connection to Redis may also say so and go on trying.

Below some limit nothing can be promised: the loader maps no libraries, and libuv ends a process that has no descriptor for
its own signals. The ranges begin above that.
"""

import pathlib
import re
import resource
import subprocess

import pytest
from harness import AGENT, eventually
from harness.processes import end

SOURCE = "TEXT = '" + "x" * 1_000_000 + "'\n"
WORKER = """
import resource, sys
import bifrost_cache as b
b.install_virtual_import_hook()
name, amount = sys.argv[1], int(sys.argv[2])
if name == "RLIMIT_AS":
    amount += int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(getattr(resource, name), (amount, amount))
try:
    b.begin_execution()
    import module
    print("right" if len(module.TEXT) == 1_000_000 else "wrong")
except (ImportError, MemoryError, OSError, RuntimeError) as error:
    print(type(error).__name__)
except SystemError as error:
    print("SystemError" if "compile" in str(error) else error)  # Python's compiler, out of memory, forgets to say so
"""
ERRORS = {"ImportError", "ModuleNotFoundError", "MemoryError", "OSError", "RuntimeError", "SystemError"}


@pytest.mark.parametrize("name,amounts,enough", [
    ("RLIMIT_NOFILE", range(3, 10), 9),
    ("RLIMIT_AS", range(0, 40 << 20, 4 << 20), 36 << 20),
])
def test_a_worker_gets_the_module_or_an_error(live, name, amounts, enough):
    live.put("module.py", SOURCE)
    said = {}
    for amount in amounts:
        done = live.python("-c", WORKER, name, str(amount))
        said[amount] = done.stdout.strip()
        assert done.returncode == 0 and said[amount] in ERRORS | {"right"}, done.stderr
    assert said[enough] == "right", said
    assert set(said.values()) & ERRORS, "some limit is felt"


@pytest.mark.parametrize("name,amounts,enough", [
    ("RLIMIT_NOFILE", range(12, 40, 3), 39),
    ("RLIMIT_AS", range(16 << 20, 128 << 20, 1 << 20), 112 << 20),
    ("RLIMIT_FSIZE", [1 << 14, 1 << 16, 1 << 20, 64 << 20], 64 << 20),  # the log is a file, too
])
def test_an_agent_serves_or_ends_with_a_sentence(node, name, amounts, enough):
    node.put("module.py", SOURCE)
    sources = {}
    for amount in amounts:
        sources[amount] = started_with(node, getattr(resource, name), amount)
    assert sources[enough] in ("source", "code"), sources
    assert set(sources.values()) - {"source", "code"}, "some limit is felt"


def started_with(node, limit, amount):
    """Where a worker of this agent has its module from, or the last words of an agent that did not begin."""
    log = node.directory / "limited.log"
    with open(log, "w") as errors:
        agent = subprocess.Popen([AGENT, "--redis-url", node.redis.url, "--segment-dir", node.segment_dir],
                                 env=node.environment(), stderr=errors,
                                 preexec_fn=lambda: resource.setrlimit(limit, (amount, amount)))
    try:
        # The sentence of one that ends is no event: it may still be running when that can be read.
        eventually(lambda: re.search("event=synced|event=.*Too many open files", log.read_text())
                   or agent.poll() is not None, "it begins, ends, or says why it waits")
        if agent.poll() is not None:
            assert agent.returncode == 1, f"{amount}: ended with {agent.returncode}: {log.read_text()[-500:]}"
            return log.read_text().strip().splitlines()[-1]
        if "event=synced" not in log.read_text():
            return "it waits for descriptors"
        assert node.run("import module; answer = len(module.TEXT)") == 1_000_000
        return node.run("b.begin_execution(timeout=2); import module; answer = b.loaded()['module'].source")
    finally:
        assert end(agent) in (0, 1), log.read_text()[-500:]


def test_an_agent_that_may_open_no_more_files_says_so_and_not_that_memory_is_full(live):
    pid = live.agent.process.pid
    free = 3  # for the control socket's clients
    most = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())) + free
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
    live.put_many((f"m{i}.py", f"N = {i}\n#" + "x" * 500_000) for i in range(60))
    eventually(lambda: (s := live.status())["modules"] + s["not_mirrored"] >= 60 and s["state"] == "degraded",
               "the limit is felt")
    said = live.cachectl("list", "-o", "wide").stdout.decode()
    assert "the agent can make no more files" in said
    assert "is full" not in said and "no room" not in said
