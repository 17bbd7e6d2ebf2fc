"""An execution goes on while the agent is restarted, and the next one has less of what the execution began with. What
it imports then is what a file system would give: never another scope's module, and no module is missing."""

import pytest
from harness import eventually

MODULES = 60
EXECUTION = """
import importlib
execution = b.begin_execution(solution_id="s1", global_repo_access=True)
def found(n):
    try:
        return importlib.import_module(f"mod{n}").WHO
    except ImportError as error:
        return str(error)
found(59)
"""


@pytest.fixture
def running(node):
    """The solution's modules are in many chunks, most of which is history; the shared ones of their names in the last."""
    node.start_agent("--max-size", "64M")
    for n in range(0, MODULES, 5):
        node.put_many((f"_solutions/s1/mod{m}.py", "WHO = 'solution'\n") for m in range(n, n + 5))
        node.put_many((f"fill{m}.py", f"N = {n}\n#{'x' * 200_000}") for m in range(12))
        node.wait("--fresh")
    node.put_many((f"mod{n}.py", "WHO = 'shared'\n") for n in range(MODULES))
    node.wait("--fresh")
    worker = node.worker(BIFROST_ON_STALE="error")
    worker.do(EXECUTION)
    assert worker.ask("execution.source") == "shm"
    return node, worker


def a_smaller_limit(node):
    return ["--max-size", "16M"]


def removed_chunks(node):
    for chunk in node.segment_dir.glob("chunk.*"):
        chunk.unlink()
    return ["--max-size", "64M"]


def empty_chunks(node):
    for chunk in node.segment_dir.glob("chunk.*"):
        chunk.unlink()
        chunk.touch(0o644)
    return ["--max-size", "64M"]


@pytest.mark.parametrize("lose", [a_smaller_limit, removed_chunks, empty_chunks])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_execution_finds_its_own_modules_after_the_mirror_has_lost_them(running, lose, end):
    node, worker = running
    getattr(node.agent, end)()
    node.start_agent(*lose(node))
    node.wait("--fresh")
    answers = worker.ask(f"[found(n) for n in range({MODULES})]")
    assert answers == ["solution"] * MODULES


def test_a_package_whose_loaded_version_is_no_longer_kept_still_lists_its_files(node):
    node.put("pkg/__init__.py", f"VERSION = 1\n#{'x' * 200_000}\n")  # which has a chunk of its own
    node.put("pkg/part.py", "")
    node.start_agent("--history", "1ms", "--history-size", "1M", "--max-size", "2M")
    node.wait("--fresh")
    worker = node.worker()
    worker.do("import importlib.resources; execution = b.begin_execution(); import pkg")
    node.put("pkg/__init__.py", "VERSION = 2\n")
    for n in range(8):
        node.put("bulk.py", f"N = {n}\n#{'x' * 300_000}\n")
        node.wait("--fresh")
    reading = "importlib.resources.files(pkg).joinpath('__init__.py').read_text()"
    error = eventually(lambda: worker.error_of(reading), "the agent gives the memory back")
    assert error.startswith("OSError: ")
    names = worker.ask("sorted(path.name for path in importlib.resources.files(pkg).iterdir())")
    assert names == ["__init__.py", "part.py"]
