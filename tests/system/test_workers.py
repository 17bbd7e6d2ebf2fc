"""bifrost-cachectl workers: who has begun an execution, and of which generation, whatever becomes of the process."""

import json
import os
import signal
import subprocess
import sys

import pytest
from harness import PATIENCE_S, eventually, start

FILE = "workers.present"
IN_PID_NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork", "--kill-child"]


def shown(node):
    return node.cachectl.json("workers")


def generations(node):
    return {row["generation"]: row["workers"] for row in shown(node)["generations"]}


def begun(node):
    worker = node.worker()
    worker.do("bifrost_cache.begin_execution()")
    return worker


def pid_of(worker):
    return worker.ask("__import__('os').getpid()")


def test_workers_are_counted_by_generation_and_the_oldest_is_named(live):
    assert shown(live)["workers"] == 0
    assert live.cachectl.text("workers") == "no worker says that it runs an execution\n"
    old = begun(live)
    first = live.status()["generation"]
    live.put("shared/halopsa.py", "VERSION = 2\n")
    live.wait("--fresh")
    newest = live.status()["generation"]
    for _ in range(2):
        begun(live)
    assert generations(live) == {first: 1, newest: 2}
    oldest = shown(live)["oldest"]
    assert (oldest["pid"], oldest["generation"], oldest["source"]) == (pid_of(old), first, "shm")
    text = live.cachectl.text("workers")
    assert "3 workers, as they say themselves" in text
    assert f"The oldest snapshot is that of pid {pid_of(old)}: generation {first}, for " in text
    old.do("bifrost_cache.begin_execution()")
    assert generations(live) == {newest: 3}


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_a_worker_that_ended_is_not_shown(live, end):
    worker, other = begun(live), begun(live)
    if end == "kill":
        os.kill(pid_of(worker), signal.SIGKILL)
    worker.close()
    assert [p["pid"] for p in shown(live)["processes"]] == [pid_of(other)]


def test_workers_stay_known_when_the_agent_is_restarted(live):
    worker = begun(live)
    live.agent.kill()
    live.start_agent()
    assert [p["pid"] for p in shown(live)["processes"]] == [pid_of(worker)]


FORK = """
import os
stays, gone = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(stays[1])
    bifrost_cache.begin_execution()
    os.write(gone[1], b"begun")
    os.read(stays[0], 1)  # until the parent closes its end
    os._exit(0)
os.read(gone[0], 5)
answer = [os.getpid(), child]
"""


def test_a_fork_that_begins_an_execution_is_a_worker_of_its_own(live):
    parent = begun(live)
    pids = parent.do(FORK)
    assert [p["pid"] for p in shown(live)["processes"]] == sorted(pids)
    parent.do("os.close(stays[1]); os.waitpid(child, 0)")
    assert [p["pid"] for p in shown(live)["processes"]] == pids[:1]


ELSEWHERE = """
import bifrost_cache, sys
bifrost_cache.install_virtual_import_hook()
bifrost_cache.begin_execution()
print("begun", flush=True)
sys.stdin.read()
"""


def test_a_worker_in_another_pid_namespace_is_shown_as_such(live):
    worker = start([*IN_PID_NAMESPACE, sys.executable, "-c", ELSEWHERE], env=live.environment(), stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if worker.stdout.readline() != b"begun\n":
            pytest.skip(f"no pid namespace can be made here: {worker.stderr.read()}")
        (process,) = shown(live)["processes"]
        assert (process["pid"], process["elsewhere"]) == (1, True)
        assert "1 in another pid namespace" in " ".join(live.cachectl.text("workers").split())
        worker.stdin.close()
        worker.wait(PATIENCE_S)
        assert shown(live)["workers"] == 0
    finally:
        worker.kill()
        worker.wait()
        for stream in (worker.stdin, worker.stdout, worker.stderr):
            stream.close()


def test_a_worker_that_imports_from_redis_holds_no_snapshot(node):
    node.put("shared/halopsa.py", "")
    node.start_agent()
    node.agent.kill()
    worker = node.worker()
    assert eventually(lambda: worker.ask("bifrost_cache.begin_execution().source") == "redis", "the lease has lapsed")
    (process,) = shown(node)["processes"]
    assert (process["generation"], process["source"]) == (0, "redis")
    assert shown(node)["oldest"] is None
    assert "import from Redis" in node.cachectl.text("workers")


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_off_by_the_switch_of_telemetry(node, who):
    node.put("shared/halopsa.py", "")
    node.start_agent(*(["--telemetry", "off"] if who == "agent" else []))
    node.run("import shared.halopsa", **({"BIFROST_TELEMETRY": "off"} if who == "worker" else {}))
    if who == "worker":
        assert shown(node)["workers"] == 0
    else:
        assert not (node.segment_dir / FILE).exists()
        said = node.cachectl("workers")
        assert (said.returncode, b"telemetry = off" in said.stderr) == (1, True)


@pytest.mark.parametrize("damage", ["noise", "short", "long", "link", "fifo", "missing", "directory"])
def test_whatever_is_there_executions_and_the_verb_go_on(live, damage):
    file = live.segment_dir / FILE
    size = file.stat().st_size
    linked = live.directory / "linked"
    linked.write_bytes(bytes(size))
    if damage == "noise":
        file.write_bytes(os.urandom(size))
    else:
        file.unlink()
        {"short": lambda: file.write_bytes(b"x"), "long": lambda: file.write_bytes(bytes(size + 1)),
         "link": lambda: file.symlink_to(linked), "fifo": lambda: os.mkfifo(file), "missing": lambda: None,
         "directory": file.mkdir}[damage]()
    assert live.run("from shared import halopsa; answer = halopsa.VERSION") == 1
    said = live.cachectl("workers", "-o", "json")
    assert linked.read_bytes() == bytes(size)
    if damage == "noise":
        assert json.loads(said.stdout)["workers"] == 0
    else:
        assert (said.returncode, said.stdout) == (1, b"")
