"""An agent whose --max-size is far too small for what Redis holds."""

import pytest
from harness import eventually
from harness.worker import WorkerRaised

COUNT = 600
KEPT = range(0, COUNT, 10)
SOURCE = "N = {n}\n#" + "x" * 20_000

IMPORT_SOME = """
import importlib, pkgutil, flow
numbers = [importlib.import_module(f"flow.m{n}").N for n in %r]
answer = [numbers, flow.KIND, execution.source, len(list(pkgutil.iter_modules(flow.__path__)))]
"""


@pytest.fixture
def full(node):
    node.put("flow/__init__.py", "KIND = 'package'\n")
    node.put_many((f"flow/m{n}.py", SOURCE.format(n=n)) for n in range(COUNT))
    node.start_agent("--max-size", "2M", "--reconcile", "1s")
    return node


def imported(node, numbers):
    return node.run(IMPORT_SOME % (list(numbers),))


def test_what_does_not_fit_comes_from_redis_and_the_rest_from_the_mirror(full):
    status = full.status()
    assert (status["state"], status["ready"], status["complete"]) == ("degraded", True, False)
    assert "segment_full" in [problem["name"] for problem in status["problems"]]
    assert 0 < status["modules"] < COUNT
    some = range(0, COUNT, 50)
    assert imported(full, some) == [list(some), "package", "shm", COUNT]
    assert "event=segment_full" in full.agent.log
    verified = full.cachectl("verify")
    assert (verified.returncode, b"not complete" in verified.stdout) == (0, True)


def test_reading_it_all_again_costs_no_lease(full):
    syncs = full.agent.log.count("event=synced")
    worker = full.worker()
    sources = set()

    def read_again():
        sources.add(worker.do("answer = b.begin_execution(timeout=10).source"))
        return full.agent.log.count("event=synced") >= syncs + 3

    eventually(read_again, "it is compared three times")
    assert sources == {"shm"}
    assert full.status()["complete"] is False


def test_a_module_that_nobody_wrote_is_missing_all_the_same(full):
    worker = full.worker()
    assert worker.error_of("import flow.m10000").startswith("ModuleNotFoundError")
    full.put("flow/m10000.py", "N = 10_000\n")
    full.wait("--fresh")
    assert imported(full, [10_000]) == [[10_000], "package", "shm", COUNT + 1]


def test_a_package_that_found_no_room_is_no_namespace_for_the_next_agent_either(node):
    node.put("early/m.py", "N = 1\n")
    node.start_agent("--max-size", "2M")
    node.put_many((f"flow/m{n}.py", SOURCE.format(n=n)) for n in range(COUNT))
    node.put("early/__init__.py", "KIND = 'package'\n#" + "x" * (3 << 20))  # a small one may still find room
    node.wait("--fresh")
    listed = node.cachectl("list").stdout.decode()
    assert "early/m.py" in listed and "early/__init__.py" not in listed
    assert node.run("import early.m; answer = [early.KIND, early.m.N, execution.source]") == ["package", 1, "shm"]
    node.redis.stop()
    node.agent.kill()
    node.start_agent("--max-size", "64M", ready=False)  # it has room, and no Redis to ask for what was left out
    eventually(lambda: "event=published" in node.agent.log, "another agent has taken over")
    with pytest.raises(WorkerRaised) as failed:
        node.run("import early; answer = early.__path__")
    assert "Redis unreachable" in failed.value.text


def test_when_the_rest_is_deleted_it_is_whole_again(full):
    for n in set(range(COUNT)) - set(KEPT):
        full.delete(f"flow/m{n}.py")
    eventually(lambda: (s := full.status())["state"] == "live" and s["complete"] and s["modules"] == len(KEPT) + 1,
               "all that is left is mirrored")
    assert imported(full, KEPT) == [list(KEPT), "package", "shm", len(KEPT)]
    assert full.cachectl("verify").returncode == 0


def test_an_agent_that_may_take_less_than_the_one_before_makes_room(node):
    node.put_many((f"flow/m{n}.py", SOURCE.format(n=n)) for n in range(300))
    node.start_agent("--max-size", "16M")
    node.agent.stop()
    node.start_agent("--max-size", "4M")
    assert "event=mirror_made_smaller" in node.agent.log
    eventually(lambda: node.status()["state"] == "degraded", "what found no room is known")
    node.put("flow/new.py", "N = 'new'\n")
    node.put("flow/m7.py", "N = 'edited'\n")
    node.delete("flow/m8.py")
    node.wait("--fresh")
    told = node.run("""
import importlib, flow.new, flow.m7, flow.m299
answer = [flow.new.N, flow.m7.N, flow.m299.N, execution.source]
try:
    import flow.m8
except ModuleNotFoundError:
    answer.append("deleted")
""")
    assert told == ["new", "edited", 299, "shm", "deleted"]
    status = node.status()
    assert status["ready"] and status["memory"]["size"] <= 4 << 20
    assert node.cachectl("verify").returncode == 0
