"""inspect, traceback, pkgutil, runpy, importlib.resources and pickle over modules that lie on no disk."""

from shim_node import WORKSPACE

MODULE = """
def first():
    return 1


def fail():
    raise KeyError('boom')
"""


def test_inspect_shows_the_source(node):
    node.put("m.py", MODULE)
    out = node.execute(
        "import inspect, m; out.update(f=inspect.getsource(m.first), file=inspect.getsourcefile(m.fail))"
    )
    assert out == {"f": "def first():\n    return 1\n", "file": f"{WORKSPACE}/m.py"}


def test_tracebacks_show_lines_also_by_file_name_alone(node):
    node.put("m.py", MODULE)
    out = node.execute(
        """
        import linecache, traceback
        import m
        out["line"] = linecache.getline(m.__file__, 7)
        linecache.clearcache()
        try:
            m.fail()
        except KeyError:
            out["text"] = traceback.format_exc()
        """
    )
    assert out["line"] == "    raise KeyError('boom')\n"
    assert "raise KeyError('boom')" in out["text"]


def test_an_old_module_keeps_the_lines_that_it_executed(node, talk):
    node.put("m.py", MODULE)
    talk.begin()
    talk.do("import m, linecache, traceback; old = m")
    node.put("m.py", "# another line one\n" + MODULE.replace("boom", "changed"))
    talk.begin()
    assert "boom" in talk.ask("old.__loader__.get_source('m')")
    talk.do("import m")
    assert talk.ask("linecache.getline(m.__file__, 1)") == "# another line one\n"


def test_importing_the_package_does_not_import_linecache(node):
    node.put("m.py", MODULE)
    out = node.execute("import m; out['there'] = [n for n in ('linecache', 'tokenize', 'typing') if n in sys.modules]")
    assert out == {"there": []}


def test_pkgutil_lists_and_walks(node):
    node.put("pkg/__init__.py", "")
    node.put("pkg/a.py", "")
    node.put("pkg/sub/__init__.py", "")
    node.put("pkg/sub/b.py", "")
    node.put("pkg/plain/c.py", "")
    node.put("ns/m.py", "")
    out = node.execute(
        """
        import pkgutil, pkg, ns
        out["pkg"] = [[m.name, m.ispkg] for m in pkgutil.iter_modules(pkg.__path__)]
        out["walk"] = [m.name for m in pkgutil.walk_packages(pkg.__path__, "pkg.")]
        out["ns"] = [m.name for m in pkgutil.iter_modules(ns.__path__)]
        out["top"] = [m.name for m in pkgutil.iter_modules(sys.path[:1])]
        out["found"] = [m.module_finder.find_spec("pkg." + m.name).origin for m in pkgutil.iter_modules(pkg.__path__)]
        out["data"] = pkgutil.get_data("pkg", "a.py").decode()
        """
    )
    assert out == {
        "pkg": [["a", False], ["sub", True]],
        "walk": ["pkg.a", "pkg.sub", "pkg.sub.b"],
        "ns": ["m"],
        "top": ["pkg"],
        "found": [f"{WORKSPACE}/pkg/a.py", f"{WORKSPACE}/pkg/sub/__init__.py"],
        "data": "",
    }


def test_pkgutil_works_from_redis_alone(redis_node):
    redis_node.put("pkg/__init__.py", "")
    redis_node.put("pkg/a.py", "")
    out = redis_node.execute("import pkgutil, pkg; out['names'] = [m.name for m in pkgutil.iter_modules(pkg.__path__)]")
    assert out == {"names": ["a"]}


def test_resources_are_the_files_of_the_package(node):
    node.put("pkg/__init__.py", "# init\n")
    node.put("pkg/a.py", "A = 'é'\n")
    node.put("pkg/sub/b.py", "B = 1\n")
    out = node.execute(
        """
        import importlib.resources as r
        import pkg
        root = r.files("pkg")
        out["names"] = sorted(p.name for p in root.iterdir())
        out["text"] = (root / "a.py").read_text(encoding="utf-8")
        out["deep"] = root.joinpath("sub", "b.py").read_bytes().decode()
        out["kinds"] = [root.is_dir(), (root / "a.py").is_file(), (root / "none.py").is_file()]
        with r.as_file(root / "a.py") as path:
            out["as_file"] = path.read_text(encoding="utf-8")
        try:
            (root / "none.py").read_text()
        except FileNotFoundError as error:
            out["missing"] = error.filename
        """
    )
    assert out == {
        "names": ["__init__.py", "a.py", "sub"],
        "text": "A = 'é'\n",
        "deep": "B = 1\n",
        "kinds": [True, True, False],
        "as_file": "A = 'é'\n",
        "missing": f"{WORKSPACE}/pkg/none.py",
    }


def test_runpy_runs_modules_and_packages(node):
    node.put("tool.py", "import sys\nprint(__name__, sys.argv[0], __spec__.name)\n")
    node.put("app/__init__.py", "")
    node.put("app/__main__.py", "print('app', __package__)\n")
    code = "import bifrost_cache as b, runpy, sys; b.install_virtual_import_hook(); "
    done = node.python(code=code + "runpy.run_module('tool', run_name='__main__', alter_sys=True)")
    assert done.stdout == f"__main__ {WORKSPACE}/tool.py tool\n", done.stderr
    assert node.python(code=code + "runpy.run_module('app', run_name='__main__')").stdout == "app app\n"


def test_runpy_runs_a_directory_but_takes_a_modules_path_for_a_script(node):
    node.put("app/__main__.py", "WHO = __name__\n")
    out = node.execute(
        f"""
        import runpy
        out["who"] = runpy.run_path("{WORKSPACE}/app")["WHO"]
        try:
            runpy.run_path("{WORKSPACE}/app/__main__.py")
        except FileNotFoundError as error:
            out["script"] = error.filename
        """
    )
    assert out == {"who": "<run_path>", "script": f"{WORKSPACE}/app/__main__.py"}


def test_loader_answers_as_the_abcs_say(node):
    node.put("pkg/__init__.py", "X = 1\r\n")
    out = node.execute(
        """
        import pkg
        loader = pkg.__loader__
        scope = {}
        exec(loader.get_code("pkg"), scope)
        out.update(x=scope["X"], source=loader.get_source("pkg"), data=loader.get_data(pkg.__file__).decode(),
                   file=loader.get_filename("pkg"), package=loader.is_package("pkg"), name=loader.name)
        def refused(call, *a):
            try:
                call(*a)
            except Exception as error:
                return [type(error).__name__, getattr(error, "filename", None)]
        out["other"] = refused(loader.get_source, "other")
        out["outside"] = refused(loader.get_data, "/etc/hostname")
        """
    )
    assert out == {
        "x": 1,
        "source": "X = 1\n",
        "data": "X = 1\r\n",
        "file": f"{WORKSPACE}/pkg/__init__.py",
        "package": True,
        "name": "pkg",
        "other": ["ImportError", None],
        "outside": ["FileNotFoundError", "/etc/hostname"],
    }


def test_pickles_travel_by_qualified_name(node):
    node.put("shapes.py", "class Point:\n    def __init__(self, x):\n        self.x = x\n")
    out = node.execute("import pickle, shapes; out['x'] = pickle.loads(pickle.dumps(shapes.Point(3))).x")
    assert out == {"x": 3}


def test_warnings_name_the_module_file(node):
    node.put("old.py", "import warnings\ndef f():\n    warnings.warn('do not', DeprecationWarning, stacklevel=1)\n")
    done = node.python(
        code="import bifrost_cache as b; b.install_virtual_import_hook(); import linecache, old; old.f()",
        env={"PYTHONWARNINGS": "always"},
    )
    assert f"{WORKSPACE}/old.py:3: DeprecationWarning: do not" in done.stderr
    assert "warnings.warn('do not'" in done.stderr
