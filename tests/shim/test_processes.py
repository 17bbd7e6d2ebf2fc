"""Programs, threads and child processes of all kinds over modules of the workspace."""

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
                    names = [f"m{n}" for n in range(40)]
                    for name in names:
                        sys.modules.pop(name, None)
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
            try:
                import bifrost_cache
                bifrost_cache.install_virtual_import_hook()
            except (RuntimeError, ImportError) as error:
                print(str(error).count(chr(10)), error, flush=True)
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
    refusal, rest = done.stdout.splitlines()
    assert refusal.startswith("0 ") and "interpreter" in refusal
    assert rest == "main goes on True"
