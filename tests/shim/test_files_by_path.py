"""Files that a platform runs by path, whatever they are called: source_of() and `run path/to/file.py:function`."""

import json

import pytest

FLOW = '''"""A flow."""
from . import helper


def main(n=1):
    return [__name__, helper.X, n]


def broken():
    raise ValueError("told so")
'''


@pytest.fixture
def flows(node):
    node.put("flows/my-flow.py", FLOW)
    node.put("flows/helper.py", "X = 'shared'\n")
    node.put("_solutions/s/flows/my-flow.py", FLOW.replace("A flow", "Its own flow"))
    return node


def test_the_first_root_that_has_the_file_answers(flows):
    out = flows.execute(
        """
        def seen(path):
            found = b.source_of(path)
            return found and [found.path, found.source.splitlines()[0], found.generation > 0, len(found.hash)]
        out["shared"] = seen("flows/my-flow.py")
        out["none"] = seen("flows/nope.py")
        b.begin_execution(solution_id="s", global_repo_access=True)
        out["own"] = seen("flows/my-flow.py")
        out["of_the_other_root"] = seen("flows/helper.py")[0]
        out["with_root"] = seen("_solutions/s/flows/my-flow.py")[0]
        workspace = b._shim.effective_settings()["workspace"]
        out["in_workspace"] = seen(workspace + "/flows/my-flow.py")[0]
        b.begin_execution(solution_id="other")
        out["others"] = [seen("flows/my-flow.py"), seen("_solutions/s/flows/my-flow.py")]
        """
    )
    own = "_solutions/s/flows/my-flow.py"
    assert out["shared"] == ["flows/my-flow.py", '"""A flow."""', True, 64]
    assert out["own"] == [own, '"""Its own flow."""', True, 64]
    assert out["with_root"] == out["in_workspace"] == own and out["of_the_other_root"] == "flows/helper.py"
    assert out["none"] is None and out["others"] == [None, None]


@pytest.mark.parametrize("path", ["../x.py", "/etc/passwd.py", "a.txt", "a//b.py", ""])
def test_a_path_that_no_module_can_have_is_refused(node, path):
    out = node.execute(
        f"""
        try:
            b.source_of({path!r})
        except ValueError as error:
            out["text"] = str(error)
        """
    )
    assert f"no module can have the path '{path}': " in out["text"]


def test_a_file_is_run_by_its_path(flows):
    done = flows.python("-m", "bifrost_cache", "run", "flows/my-flow.py:main", "--kwargs", '{"n": 3}')
    assert (done.returncode, done.stdout) == (0, '["flows.my-flow", "shared", 3]\n'), done.stderr


@pytest.mark.parametrize("path, name", [("m.py", "m"), ("f/m.py", "f.m"), ("jobs/nightly.py", "jobs.nightly")])
def test_a_file_with_a_short_path_has_its_whole_name_and_follows_edits(node, path, name):
    node.put(path, "V = 1\nclass C:\n    pass\n")
    node.wait("--fresh")
    worker = node.worker()
    worker.do("import pickle")
    assert worker.ask(f"[b.load_path({path!r}).__name__, b.load_path({path!r}).V]") == [name, 1]
    assert worker.ask(f"pickle.loads(pickle.dumps(b.load_path({path!r}).C)) is b.load_path({path!r}).C")
    node.put(path, "V = 2\n")
    worker.do("b.begin_execution()")
    assert worker.ask(f"b.load_path({path!r}).V") == 2


def test_a_name_with_dots_is_one_module(flows):
    flows.put("flows/report.v2.py", "def main():\n    return __name__, __file__\n")
    done = flows.python("-m", "bifrost_cache", "run", "flows/report.v2.py:main")
    name, file = json.loads(done.stdout)
    assert name == "flows.report%2Ev2" and file.endswith("/flows/report.v2.py")


def test_a_file_of_a_root_is_run(flows):
    flows.put("_workspace_releases/17/flows/main.py", "def main():\n    return 'of the release'\n")
    done = flows.python("-m", "bifrost_cache", "run", "flows/main.py:main", "--root", "_workspace_releases/17/", "--root", "")
    assert done.stdout == '"of the release"\n', done.stderr


INIT_FILE = "def who():\n    return __name__\n"


@pytest.mark.parametrize("path", ["__init__.py", "_solutions/s/__init__.py"])
def test_the_init_file_of_a_root_has_the_name_of_its_file(flows, path):
    flows.put("_solutions/s/__init__.py", INIT_FILE)
    done = flows.python("-m", "bifrost_cache", "run", f"{path}:who", "--solution-id", "s")
    assert (done.returncode, done.stdout) == (0, '"__init__"\n'), done.stderr


@pytest.mark.parametrize("path", ["__init__.py", "_solutions/s/__init__.py"])
def test_the_platform_is_asked_for_the_init_file_of_a_root_by_that_name(node, path):
    out = node.script(
        f"""
        from bifrost_cache import _target
        from bifrost_cache.fallback import Module
        asked = []
        class Store:
            def resolve(self, name, scope):
                asked.append(name)
                return Module({INIT_FILE!r}, "_solutions/s/__init__.py", "h")
        b.install_virtual_import_hook(complete=False, fallback=Store())
        b.begin_execution(solution_id="s")
        out["who"] = _target.load({path + ":who"!r})()
        out["asked"] = asked
        """
    )
    assert out == {"who": "__init__", "asked": ["__init__"]}


def test_a_missing_file_is_named(flows):
    done = flows.python("-m", "bifrost_cache", "run", "flows/nope.py:main")
    assert done.returncode == 1 and "ModuleNotFoundError: No module at 'flows/nope.py'" in done.stderr


def test_tracebacks_inspect_and_linecache_show_the_lines_that_ran(flows):
    out = flows.execute(
        """
        import inspect, linecache, traceback
        from bifrost_cache import _target
        broken = _target.load("flows/my-flow.py:broken")
        try:
            broken()
        except ValueError as error:
            out["traceback"] = _target.traceback_text(error)
        out["source"] = inspect.getsource(broken)
        out["line"] = linecache.getline(broken.__code__.co_filename, 9)
        out["same"] = _target.load("flows/my-flow.py:broken") is broken
        """
    )
    assert 'flows/my-flow.py", line 10, in broken\n    raise ValueError("told so")' in out["traceback"]
    assert out["source"].startswith("def broken():") and out["line"] == "def broken():\n" and out["same"]


# --- the same module as an import's -----------------------------------------------------------------------------------


@pytest.fixture
def talk(flows):
    worker = flows.worker()
    worker.do("import sys, threading")
    return worker


def test_what_has_not_changed_stays_loaded(flows, talk):
    flows.put("a/b.v2.py", "X = 1\n")
    flows.put("pk/__init__.py", "from . import sub\n")
    flows.put("pk/sub.py", "X = 1\n")
    flows.wait("--fresh")
    paths = ["flows/my-flow.py", "a/b.v2.py", "pk/__init__.py"]
    talk.do(f"before = [b.load_path(path) for path in {paths!r}]")
    assert talk.ask("b.begin_execution().evicted") == []
    assert talk.ask(f"[b.load_path(path) for path in {paths!r}] == before")
    flows.put("a/b.v2.py", "X = 2\n")
    assert "a.b%2Ev2" in talk.ask("b.begin_execution().evicted")
    assert talk.ask("b.load_path('a/b.v2.py').X") == 2


def test_a_file_in_an_earlier_root_takes_its_place(flows, talk):
    flows.put("flows/entry.py", "X = 'shared'\n")
    talk.do("b.begin_execution(solution_id='s', global_repo_access=True)")
    assert talk.ask("b.load_path('flows/entry.py').X") == "shared"
    flows.put("_solutions/s/flows/entry.py", "X = 'own'\n")
    talk.do("b.begin_execution(solution_id='s', global_repo_access=True)")
    assert talk.ask("b.load_path('flows/entry.py').X") == "own"


def test_the_init_file_of_a_package_is_that_package(flows, talk):
    flows.put("pk/__init__.py", "from .sub import X\n")
    flows.put("pk/sub.py", "X = 1\n")
    flows.wait("--fresh")
    talk.do("pk = b.load_path('pk/__init__.py')")
    talk.do("import pk.sub")
    assert talk.ask("[pk.X, pk.__package__, sys.modules['pk'] is b.load_path('pk/__init__.py'), pk.sub.X]") == [1, "pk", True, 1]


def test_other_modules_import_it_by_its_name(flows, talk):
    flows.put("flows/main.py", "from . import asks\nCONFIG = 1\n")
    flows.put("flows/asks.py", "import flows.main\ndef config():\n    return flows.main.CONFIG\n")
    flows.wait("--fresh")
    assert talk.ask("b.load_path('flows/main.py').asks.config()") == 1
    assert talk.ask("sys.modules['flows.main'] is b.load_path('flows/main.py')")


def test_a_module_of_the_host_is_not_taken_for_it(flows, talk):
    flows.put("sdk.py", "def f():\n    return 1\n")
    flows.wait("--fresh")
    talk.do("import types; sys.modules['sdk'] = types.ModuleType('sdk')")
    assert talk.ask("b.load_path('sdk.py').f()") == 1


def test_what_its_body_has_put_in_its_place_is_kept(flows, talk):
    flows.put("itself.py", "import sys\nclass Own:\n    __slots__ = ()\nsys.modules[__name__] = Own()\n")
    flows.wait("--fresh")
    assert talk.ask("b.load_path('itself.py') is b.load_path('itself.py')")


def test_an_installed_package_keeps_its_attributes(flows, talk):
    flows.put("pip_like/client.py", "X = 'of the workspace'\n")
    flows.wait("--fresh")
    (flows.directory / "pip_like").mkdir()
    (flows.directory / "pip_like" / "__init__.py").write_text("client = 'its own'\n")
    talk.do(f"sys.path.insert(0, {str(flows.directory)!r}); import pip_like")
    assert talk.ask("[b.load_path('pip_like/client.py').X, pip_like.client]") == ["of the workspace", "its own"]


def test_two_threads_that_load_each_others_files_do_not_wait_for_ever(flows, talk):
    flows.put("one.py", "import helper_of_test, bifrost_cache\nhelper_of_test.meet()\nbifrost_cache.load_path('two.py')\n")
    flows.put("two.py", "import helper_of_test, bifrost_cache\nhelper_of_test.meet()\nbifrost_cache.load_path('one.py')\n")
    flows.wait("--fresh")
    talk.do(
        """
        import types
        helper = sys.modules["helper_of_test"] = types.ModuleType("helper_of_test")
        helper.meet = threading.Barrier(2, timeout=30).wait
        loaded = []
        load = lambda path: loaded.append(b.load_path(path).__name__)
        threads = [threading.Thread(target=load, args=(path,)) for path in ("one.py", "two.py")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        """
    )
    assert talk.ask("sorted(loaded)") == ["one", "two"]


def test_threads_get_it_whole(flows, talk):
    flows.put("slow.py", "import threading, helper_of_test\nhelper_of_test.begun.set()\nhelper_of_test.go.wait(30)\nWHOLE = 1\n")
    talk.do(
        """
        import types
        helper = sys.modules["helper_of_test"] = types.ModuleType("helper_of_test")
        helper.begun, helper.go = threading.Event(), threading.Event()
        seen = []
        look = lambda: seen.append(hasattr(b.load_path("slow.py"), "WHOLE"))
        threads = [threading.Thread(target=look) for _ in range(4)]
        threads[0].start()
        helper.begun.wait(30)
        for thread in threads[1:]:
            thread.start()
        helper.go.set()
        for thread in threads:
            thread.join(30)
        """
    )
    assert talk.ask("seen") == [True] * 4


@pytest.mark.parametrize("path, name", [("logging.py", "logging%2Epy"), ("email/utils.py", "email.utils%2Epy"),
                                        ("bifrost_cache.py", "bifrost_cache%2Epy"), ("__main__.py", "__main__%2Epy"),
                                        ("x.y.py", "x%2Ey"), ("x%2Ey.py", "x%252Ey")])
def test_its_name_is_its_own(flows, talk, path, name):
    flows.put(path, "MINE = 1\n")
    flows.wait("--fresh")
    talk.do("import logging, email.utils; before = dict(sys.modules)")
    assert talk.ask(f"b.load_path({path!r}).__name__") == name
    assert talk.ask("[n for n in before if sys.modules.get(n) is not before[n]]") == []
    flows.put(path, "MINE = 2\n")
    talk.do("b.begin_execution()")
    assert talk.ask(f"b.load_path({path!r}).MINE") == 2
    assert talk.ask("[n for n in before if sys.modules.get(n) is not before[n]]") == []
