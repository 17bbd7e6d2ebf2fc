"""Forks at any moment: of processes with threads, of processes that have loaded much; what the children get."""

import os

import pytest

FORKS = int(os.environ.get("BIFROST_FORKS", "2500"))
MODULES = 600


@pytest.mark.parametrize("source", ["shm", "redis"])
def test_forks_of_a_threaded_process_never_hang(node, source):
    node.put("m.py", "X = 1\n")
    environment = {"BIFROST_SEGMENT_DIR": "/nonexistent"} if source == "redis" else {}
    # What threads are inside of while the process forks: a question to the agent, or look-ups in Redis.
    question = {"shm": "b.wait_fresh(5)", "redis": "b.source_of('m.py')"}[source]
    out = node.script(
        f"""
        import os, signal, threading, traceback
        b.install_virtual_import_hook()
        b.begin_execution()
        stop = threading.Event()
        failed = []
        def too_late(error):  # a connection has 0.2 s, a question one second: a busy machine may not keep that
            return "within the deadline" in str(error)
        def ask():
            try:
                while not stop.is_set():
                    try:
                        {question}
                    except ImportError as error:
                        if not too_late(error):
                            raise
            except Exception as error:
                failed.append(repr(error))
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        codes = {{}}
        def answers():
            return b.begin_execution(timeout=10).source == {source!r} and b.source_of("m.py").source == "X = 1\\n"
        for _ in range({FORKS}):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)  # the kernel ends a child that hangs
                code = 1
                try:
                    try:
                        code = 0 if answers() else 2
                    except ImportError as error:
                        if not too_late(error):
                            raise
                        code = 0 if answers() else 3
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            codes[code] = codes.get(code, 0) + 1
        stop.set()
        for t in threads:
            t.join(20)
        out["codes"] = codes
        out["failed"] = failed
        out["asked_redis"] = b.stats()["fallbacks"]
        """,
        env=environment,
    )
    assert out["codes"] == {"0": FORKS} and out["failed"] == []
    assert source == "shm" or out["asked_redis"] > 4


CHILD = """
import json, os, resource, stat
def child_says(function):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return answer
def sockets():
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            found += [fd] if stat.S_ISSOCK(os.fstat(fd).st_mode) else []
        except OSError:
            pass  # the listing's own
    return len(found)
"""


def test_counters_of_a_child_begin_at_zero(node, talk):
    node.put("m.py", "X = 1\n")
    talk.do(CHILD)
    talk.begin()
    talk.do("import m")
    assert talk.ask("b.stats()['hits']") == 1
    assert talk.ask("child_says(lambda: [b.stats()['hits'], b.stats()['executions']])") == [0, 0]


def test_children_report_to_the_node_only_what_they_counted(node):
    node.put("m.py", "X = 1\n")
    node.execute(
        CHILD
        + """
import m
from bifrost_cache import _shim
for n in range(20):
    child_says(lambda: [b.begin_execution().source, _shim.report()])
answer = 1
"""
    )
    # The parent's execution, and one of each child.
    assert node.cachectl.json("stats")["workers"]["executions"] == 21


def test_a_child_has_none_of_its_parents_connections(node, talk):
    node.put("m.py", "X = 1\n")
    talk.do(CHILD)
    talk.begin()
    assert talk.ask("[sockets(), child_says(sockets)]") == [1, 0]
    node.agent.kill()
    talk.begin()  # asks Redis
    talk.do("import m")
    assert talk.ask("[sockets(), child_says(sockets)]") == [1, 0]


def test_a_child_touches_none_of_what_is_loaded_when_nothing_of_it_has_changed(node):
    names = [f"pkg{n % 20}.m{n}" for n in range(MODULES)]
    node.put_many((name.replace(".", "/") + ".py", f"X = {name!r}\n") for name in names)
    talk = node.worker()
    talk.do(CHILD)
    talk.begin()
    talk.do(f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)")
    talk.begin()
    talk.do(
        """
        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            evicted = b.begin_execution().evicted
            return [len(evicted), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]
        """
    )
    for unrelated in range(3):
        evicted, faults = talk.ask("child_says(faults)")
        assert evicted == 0 and faults < MODULES / 4
        node.put(f"unrelated{unrelated}.py", "")
    node.put("pkg3/m3.py", "X = 'new'\n")
    assert talk.ask("child_says(faults)")[0] == MODULES + 20


def test_what_a_forked_worker_takes_counts_for_its_execution(node):
    """A pool of an execution, one of whose processes asks Redis: the platform looks at the execution in the parent."""
    node.put("m.py", "import importlib\n\nX = 1\n\ndef x_of(name):\n    return importlib.import_module(name).X\n")
    node.put("large.py", f"X = 2\n#{'x' * 100_000}\n")
    node.agent.stop()
    node.start_agent("--max-module-bytes", "64K")
    node.wait("--fresh")
    worker = node.worker()
    found = worker.do(
        """
        import multiprocessing
        execution = b.begin_execution()
        import m
        with multiprocessing.get_context("fork").Pool(1) as pool:
            own = pool.apply(m.x_of, ("m",)), execution.intact
            asked = pool.apply(m.x_of, ("large",)), execution.intact
        answer = [own, asked]
        """
    )
    assert found == [[1, True], [2, False]]
