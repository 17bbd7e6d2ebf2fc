"""Programs, threads and child processes of all kinds over modules of the workspace."""

import json
import os

import pytest

JOBS = """
class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is type(self) and other.x == self.x


def double(x):
    return Point(2 * x.x)


def put_double(queue, x):
    queue.put(double(x))


def late(name):
    import importlib
    return importlib.import_module(name).__storage_path__
"""


@pytest.fixture
def program(node):
    """Runs main.py in an environment where the package is installed, so that interpreters read its .pth file."""
    node.put("jobs.py", JOBS)
    python_path = node.environment()["PYTHONPATH"]
    (node.directory / "sitecustomize.py").write_text(f"import site\nsite.addsitedir({python_path!r})\n")

    def run(text, *arguments, autoload="1"):
        (node.directory / "main.py").write_text(text)
        done = node.python(
            *(arguments or ["main.py"]), env={"BIFROST_AUTOLOAD": autoload, "PYTHONPATH": f"{node.directory}:{python_path}"}
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    run.node = node
    return run


MAIN = """
import multiprocessing
from jobs import Point, double, put_double

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    queue = context.Queue()
    process = context.Process(target=put_double, args=(queue, Point(4)))
    process.start()
    print(queue.get(timeout=30) == Point(8))
    process.join(30)
    with context.Pool(2) as pool:
        print(pool.map_async(double, [Point(1), Point(2)]).get(30) == [Point(2), Point(4)])
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_and_pools_run_functions_of_the_workspace_on_its_objects(program, method):
    assert program(MAIN.format(method=method)) == "True\nTrue\n"


def test_executors_run_functions_of_the_workspace(program):
    text = (
        "import concurrent.futures as f, multiprocessing\nfrom jobs import Point, double\n"
        "if __name__ == '__main__':\n"
        "    with f.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:\n"
        "        print(pool.submit(double, Point(3)).result(30) == Point(6))\n"
    )
    assert program(text) == "True\n"


def test_modules_of_the_workspace_run_as_programs(program):
    program.node.put("tool/__init__.py")
    program.node.put("tool/__main__.py", "import sys\nfrom . import part\nprint(__name__, part.X, sys.argv[1:])\n")
    program.node.put("tool/part.py", "X = 1\n")
    program.node.put("single.py", "print(__name__, __spec__.name)\n")
    assert program("", "-m", "tool", "a", "b") == "__main__ 1 ['a', 'b']\n"
    assert program("", "-m", "single") == "__main__ single\n"


def test_a_program_of_the_workspace_starts_processes(program):
    program.node.put("app/__init__.py")
    program.node.put("app/main.py", MAIN.format(method="spawn"))
    assert program("", "-m", "app.main") == "True\nTrue\n"


def test_the_interpreters_own_names_are_not_the_workspaces(program):
    for name in ("sitecustomize", "usercustomize", "bifrost_cache"):
        program.node.put(f"{name}.py", "print('THE WORKSPACE RAN')\nX = 1\n")
        program.node.put(f"{name}/evil.py", "print('THE WORKSPACE RAN')\n")
    text = (
        "import sys, importlib, bifrost_cache\n"
        "for name in ('usercustomize', 'bifrost_cache.evil'):\n"
        "    try:\n        importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n        print(error)\n"
        "print(hasattr(importlib.reload(bifrost_cache), 'X'))\n"
    )
    expected = "No module named 'usercustomize'\nNo module named 'bifrost_cache.evil'\nFalse\n"
    assert program(text) == expected


def test_the_scope_holds_in_threads_that_user_code_starts(node):
    node.put("_solutions/s1/mine.py", "X = 's1'\n")
    node.put("mine.py", "X = 'shared'\n")
    node.put("only_shared.py")
    out = node.script(
        """
        import importlib, threading
        b.install_virtual_import_hook()
        b.begin_execution(solution_id="s1")
        def look():
            out["x"] = importlib.import_module("mine").X
            try:
                importlib.import_module("only_shared")
            except ModuleNotFoundError:
                out["only_shared"] = "hidden"
        thread = threading.Thread(target=look)
        thread.start(); thread.join(20)
        """
    )
    assert out == {"x": "s1", "only_shared": "hidden"}


def test_forks_in_the_middle_of_imports_and_waits_leave_children_that_import(node):
    for n in range(40):
        node.put(f"m{n}.py", f"X = {n}\n")
        # What children import: a module that a thread was importing stays locked in them, by Python, as with files.
        node.put(f"c{n}.py", f"X = {n}\n")
    out = node.script(
        """
        import importlib, os, threading
        b.install_virtual_import_hook()
        b.begin_execution()
        stop = threading.Event()
        def storm(first):
            while not stop.is_set():
                for n in range(first, 40, 4):
                    sys.modules.pop(f"m{n}", None)
                    importlib.import_module(f"m{n}")
                b.wait_fresh(5)
        threads = [threading.Thread(target=storm, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        children = []
        for round in range(12):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    b.begin_execution(timeout=10)
                    names = [f"c{n}" for n in range(40)]
                    code = 0 if [importlib.import_module(n).X for n in names] == list(range(40)) else 2
                finally:
                    os._exit(code)
            children.append(pid)
        out["codes"] = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        stop.set()
        for t in threads:
            t.join(20)
        out["alive"] = sum(t.is_alive() for t in threads)
        """
    )
    assert out == {"codes": [0] * 12, "alive": 0}


def test_a_subinterpreter_is_refused_in_one_sentence(node):
    code = """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import bifrost_cache
        bifrost_cache.install_virtual_import_hook()
        text = '''if True:
            def refused(call):
                try:
                    call()
                except (RuntimeError, ImportError) as error:
                    return str(error).count(chr(10)) == 0 and "interpreter" in str(error)
            try:
                import bifrost_cache as b
            except ImportError as error:
                print(["interpreter" in str(error)], flush=True)
            else:
                print([refused(call) for call in (b.install_virtual_import_hook, b.begin_execution, b.stats, b.loaded,
                       lambda: b.wait_fresh(1.0), b.get_virtual_finder, b.remove_virtual_import_hook, b.invalidate_module_index)], flush=True)
            import json
        '''
        id = interpreters.create()
        try:
            run = interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string
            problem = run(id, text)
        finally:
            interpreters.destroy(id)
        assert problem is None, problem
        print("main goes on", bifrost_cache.get_virtual_finder() is not None)
        """
    done = node.python(code=code)
    assert done.returncode == 0, done.stderr
    refusals, rest = done.stdout.splitlines()
    assert refusals and set(json.loads(refusals.lower())) == {True}
    assert rest == "main goes on True"


# Daemon threads that are inside calls when the interpreter ends. None that executes modules or imports: both crash
# CPython 3.11 now and then with plain files as well (its import lock is freed while they wait for it: 13 of 4,000 exits).
ENDING = """
import random, sys, threading, time
import bifrost_cache as b
b.install_virtual_import_hook()
b.begin_execution()

def begin():
    while True:
        b.begin_execution(timeout=1.0)

finder = b.get_virtual_finder()

def miss():
    while True:
        finder.find_spec("nowhere_to_be_found")

def fresh():
    while True:
        b.wait_fresh(1.0)

for body in (begin, miss, fresh) * 3:
    threading.Thread(target=body, daemon=True).start()
time.sleep(random.uniform(0.0, 0.05))
"""
EXITS = int(os.environ.get("BIFROST_EXITS", "40"))


@pytest.mark.parametrize("without_agent", [False, True], ids=["mirror", "redis"])
def test_a_process_that_ends_with_daemon_threads_inside_calls_ends_with_0(node, without_agent):
    environment = {"BIFROST_SEGMENT_DIR": "/nonexistent"} if without_agent else {}
    ends = [node.python(code=ENDING, env=environment) for _ in range(EXITS // 2)]
    assert [end.returncode for end in ends] == [0] * len(ends), [end.stderr[-500:] for end in ends if end.returncode]


HANDLER_WAITS = """
import atexit, threading
asked, done = threading.Event(), threading.Event()

def work():
    asked.wait()
    import ftplib
    done.set()

def flush():
    asked.set()
    print(done.wait(60))

atexit.register(flush)
threading.Thread(target=work, daemon=True).start()
import bifrost_cache as b
b.install_virtual_import_hook()
b.begin_execution()
other = threading.Thread(target=__import__, args=("colorsys",))
other.start()
other.join()
"""
DESTRUCTOR_CALLS = """
import bifrost_cache as b
b.install_virtual_import_hook()
b.begin_execution()

class Late:
    def __del__(self, b=b, print=print):
        b.wait_fresh(1.0)
        b.begin_execution()
        print(True)

late = Late()
"""


@pytest.mark.parametrize("code", [HANDLER_WAITS, DESTRUCTOR_CALLS], ids=["handler", "destructor"])
def test_what_the_end_of_the_interpreter_waits_for_goes_on(node, code):
    end = node.python(code=code, patience=90)
    assert (end.returncode, end.stdout) == (0, "True\n"), end.stderr


def test_an_execution_that_is_going_on_keeps_other_scopes_out(node):
    node.put("_solutions/s1/modules/which.py", "NAME = 's1'\n")
    node.put("_solutions/s2/modules/which.py", "NAME = 's2'\n")
    node.wait("--fresh")
    code = """
        import threading
        import bifrost_cache as b
        b.install_virtual_import_hook()

        def begin(solution):
            try:
                b.begin_execution(solution_id=solution, global_repo_access=False)
                return "began"
            except RuntimeError as error:
                return str(error)

        def in_thread(solution):
            said = []
            thread = threading.Thread(target=lambda: said.append(begin(solution)))
            thread.start()
            thread.join()
            return said[0]

        with b.begin_execution(solution_id="s1", global_repo_access=False) as execution:
            print(in_thread("s2").startswith("an execution of another scope is going on"), begin("s2") != "began")
            print(in_thread("s1"))
            from modules import which
            print(which.NAME, execution.source)
        print(in_thread("s2"))
        from modules import which
        print(which.NAME)
        late = b.begin_execution(solution_id="s1", global_repo_access=False)
        in_thread("s2")
        try:
            with late:
                print("entered")
        except RuntimeError:
            print("refused")
    """
    done = node.python(code=code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True True", "began", "s1 shm", "began", "s2", "refused"]


@pytest.mark.parametrize("with_agent", [True, False])
def test_a_host_that_closes_every_descriptor_keeps_those_that_it_opens_then(redis_node, with_agent):
    """As programs do that become daemons: the numbers of the worker's connections are the host's own by then."""
    redis_node.put("first.py", "X = 1\n")
    redis_node.put("second.py", "X = 2\n")
    if with_agent:
        redis_node.start_agent()
    out = redis_node.execute("""
        import os, socket
        import first
        os.closerange(3, 256)
        ends = [end for _ in range(8) for end in socket.socketpair()]
        import second
        out["source"] = b.begin_execution().source
        for end in ends:
            end.setblocking(False)
            try:
                out["written"] = repr(end.recv(100))
            except BlockingIOError:
                pass
        out["x"] = second.X
        """)
    assert out == {"source": "shm" if with_agent else "redis", "x": 2}
