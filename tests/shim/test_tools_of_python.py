"""inspect, traceback, pkgutil, runpy, importlib.resources and pickle over modules that lie on no disk."""

import sys

from harness import WORKSPACE

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


def test_each_of_several_modules_has_its_lines_under_its_file_name(node):
    names = ["m0", "m1", "m2"]
    for name in names:
        node.put(f"{name}.py", f"# {name}\n" + MODULE)
    out = node.execute(
        """
        import linecache
        import m0, m1, m2
        modules = (m0, m1, m2)
        out["lazy"] = [len(linecache.cache[m.__file__]) for m in modules]
        out["lines"] = [linecache.getline(m.__file__, 1) for m in modules]
        linecache.checkcache()
        out["again"] = [linecache.getline(m.__file__, 1, vars(m)) for m in modules]
        """
    )
    assert out["lazy"] == [1, 1, 1], "no source is read before somebody wants it"
    assert out["lines"] == out["again"] == [f"# {name}\n" for name in names]


def test_an_old_module_keeps_the_lines_that_it_executed(node, talk):
    node.put("m.py", MODULE)
    talk.begin()
    talk.do("import m, linecache, traceback; old = m")
    node.put("m.py", "# another line one\n" + MODULE.replace("boom", "changed"))
    talk.begin()
    assert "boom" in talk.ask("old.__loader__.get_source('m')")
    talk.do("import m")
    assert talk.ask("linecache.getline(m.__file__, 1)") == "# another line one\n"


def test_importing_modules_does_not_import_linecache(node):
    node.put("m.py", MODULE)
    done = node.python(
        code="""
        import sys
        before = set(sys.modules)  # Python 3.13 imports linecache for what follows -c
        import bifrost_cache as b
        b.install_virtual_import_hook()
        b.begin_execution()
        import m
        print({"linecache", "tokenize", "typing"} & (set(sys.modules) - before))
        """
    )
    assert done.stdout == "set()\n", done.stderr


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


def test_resources_of_a_module_are_the_files_beside_it(node):
    node.put("pkg/__init__.py", "")
    node.put("pkg/beside.py", "A = 1\n")
    node.put("pkg/m.py", "import importlib.resources as r\n")
    out = node.execute(
        """
        import pkg.m
        root = pkg.m.__loader__.get_resource_reader("pkg.m").files()
        out["names"] = sorted(p.name for p in root.iterdir())
        out["text"] = (root / "beside.py").read_text("utf-8", "strict")
        """
    )
    assert out == {"names": ["__init__.py", "beside.py", "m.py"], "text": "A = 1\n"}


def test_a_file_is_a_resource_although_a_package_shares_its_name(node):
    node.put("pkg/__init__.py", "")
    node.put("pkg/f.py", "F = 1\n")
    node.put("pkg/f/__init__.py", "")
    out = node.execute(
        """
        import importlib.resources
        root = importlib.resources.files("pkg")
        out["both"] = sorted((p.name, p.is_file()) for p in root.iterdir())
        out["text"] = (root / "f.py").read_text()
        """
    )
    assert out == {"both": [["__init__.py", True], ["f", False], ["f.py", True]], "text": "F = 1\n"}


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


def test_a_module_that_is_run_as_main_has_its_lines_in_tracebacks(node):
    node.put("tool.py", "def go():\n    raise KeyError('boom')  # here\n\n\ngo()\n")
    done = node.python(code="import bifrost_cache as b, runpy; b.install_virtual_import_hook(); "
                            "runpy.run_module('tool', run_name='__main__', alter_sys=True)")
    assert "raise KeyError('boom')  # here" in done.stderr


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


def test_specs_and_loaders_are_pickled_by_name(node):
    node.put("lib/__init__.py", "")
    node.put("lib/m.py", "X = 1\n")
    node.put("plain/p.py", "")
    out = node.execute(
        """
        import pickle, lib.m, plain.p, plain
        from importlib.machinery import ModuleSpec
        for name, module in {"module": lib.m, "package": lib, "namespace": plain}.items():
            out[name] = pickle.loads(pickle.dumps(module.__spec__)) is module.__spec__
        loader = lib.m.__loader__
        pickled = pickle.dumps([loader, ModuleSpec("lib.m", loader, origin="made over")])
        out["loader"] = pickle.loads(pickled)[0] is loader
        del sys.modules["lib.m"], sys.modules["lib"]
        found, spec = pickle.loads(pickled)
        out["again"] = [found.get_source("lib.m"), spec.origin, spec.loader == found]
        """
    )
    assert out == {
        "module": True,
        "package": True,
        "namespace": True,
        "loader": True,
        "again": ["X = 1\n", "made over", True],
    }


def test_what_was_pickled_is_not_found_where_its_module_is_not(node):
    node.put("m.py", "X = 1\n")
    worker = node.worker()
    worker.do("import pickle, m; pickled = [pickle.dumps(m.__loader__), pickle.dumps(m.__spec__)]")
    node.delete("m.py")
    worker.do("b.begin_execution(fresh=True)")
    for n in range(2):
        assert worker.error_of(f"pickle.loads(pickled[{n}])") == "ModuleNotFoundError: No module named 'm'"


def test_a_copy_of_a_spec_is_its_own(node):
    node.put("lib/__init__.py", "")
    out = node.execute(
        """
        import copy, lib
        spec = lib.__spec__
        for how in (copy.copy, copy.deepcopy):
            other = how(spec)
            out[how.__name__] = [other == spec, other.loader is spec.loader, type(other) is type(spec)]
            other.submodule_search_locations.append("elsewhere")
            other.origin = "elsewhere"
        out["own"] = [len(spec.submodule_search_locations), spec.origin == lib.__file__]
        """
    )
    assert out == {"copy": [True] * 3, "deepcopy": [True] * 3, "own": [1, True]}


def test_code_that_is_asked_for_leaves_a_loaded_modules_lines_alone(node):
    node.put("m.py", "X = 'before'\n")
    worker = node.worker()
    worker.do("import linecache, importlib.util, m")
    worker.do("loader = m.__loader__")
    node.put("m.py", "X = 'after'\n")
    worker.do("b.begin_execution(fresh=True); import m; loader.get_code('m')")
    assert worker.ask("linecache.getline(m.__file__, 1)") == "X = 'after'\n"


def test_warnings_of_a_module_that_runpy_runs_show_its_lines(node):
    node.put("warns.py", "import warnings\nwarnings.warn('careful')\n")
    out = node.execute(
        """
        import contextlib, io, linecache, runpy
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            runpy.run_module("warns", run_name="__main__")
        out["said"] = said.getvalue()
        """
    )
    assert "warns.py:2: UserWarning: careful\n  warnings.warn('careful')\n" in out["said"]


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


def test_a_warning_of_the_compiler_shows_its_line(node):
    node.put("odd.py", "X = 1 is 1\n")
    done = node.python(
        code="import bifrost_cache as b; b.install_virtual_import_hook(); import linecache, odd",
        env={"PYTHONWARNINGS": "always"},
    )
    assert f"{WORKSPACE}/odd.py:1: SyntaxWarning" in done.stderr
    assert "\n  X = 1 is 1\n" in done.stderr


def test_lazy_loader_executes_at_first_use(node):
    node.put("late.py", "import builtins\nbuiltins.ran = True\nX = 1\n")
    out = node.execute(
        """
        import builtins, importlib.util
        spec = importlib.util.find_spec("late")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules["late"] = module
        spec.loader.exec_module(module)
        out["before"] = hasattr(builtins, "ran")
        out.update(x=module.X, after=builtins.ran, file=module.__file__)
        """
    )
    assert out == {"before": False, "x": 1, "after": True, "file": f"{WORKSPACE}/late.py"}


def test_reload_follows_a_module_that_moves(node, talk):
    node.put("spam.py", "WHERE = 'module'\n")
    talk.do("import importlib, spam; first = spam")
    assert talk.ask("spam.WHERE") == "module"
    node.delete("spam.py")
    node.put("spam/__init__.py", "WHERE = 'package'\n")
    talk.do("b.wait_fresh(5); again = importlib.reload(spam)")
    assert talk.ask("[again is first, spam.WHERE, spam.__file__, spam.__path__, spam.__spec__.origin]") == [
        True,
        "package",
        f"{WORKSPACE}/spam/__init__.py",
        [f"{WORKSPACE}/spam"],
        f"{WORKSPACE}/spam/__init__.py",
    ]


def test_reload_turns_a_namespace_into_a_package(node, talk):
    node.put("eggs/m.py")
    talk.do("import importlib, eggs, eggs.m; first = eggs")
    assert talk.ask("[getattr(eggs, '__file__', None), list(eggs.__path__)]") == [None, [f"{WORKSPACE}/eggs"]]
    node.put("eggs/__init__.py", "X = 1\n")
    talk.do("b.wait_fresh(5); importlib.reload(eggs)")
    assert talk.ask("[eggs is first, eggs.X, eggs.__file__]") == [True, 1, f"{WORKSPACE}/eggs/__init__.py"]


def test_a_failed_reload_leaves_the_module_as_it_was(node, talk):
    node.put("m.py", "X = 1\n")
    talk.do("import importlib, m")
    node.put("m.py", "X = = 2\n")
    assert talk.error_of("b.wait_fresh(5); importlib.reload(m)").startswith("SyntaxError")
    assert talk.ask("[sys.modules['m'] is m, m.X]") == [True, 1]


DOCTESTED = '''
def double(x):
    """
    >>> double(2)
    4
    >>> double("a")
    'b'
    """
    return 2 * x
'''


def test_doctest_finds_examples_and_their_lines(node):
    node.put("m.py", DOCTESTED)
    out = node.execute(
        """
        import contextlib, doctest, io, m
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            out["result"] = list(doctest.testmod(m))
        out["printed"] = printed.getvalue()
        """
    )
    assert out["result"] == [1, 2]
    assert f'File "{WORKSPACE}/m.py", line 6, in m.double' in out["printed"]


STEPS = "def f(x):\n    y = x + 1\n    return y\n\n\ndef g():\n    breakpoint()\n    return f(3)\n"


def test_pdb_breaks_by_function_and_line_and_lists_the_source(node):
    node.put("steps.py", STEPS)
    # Since 3.13 pdb takes a file's name only for what lies on disk (docs/import-compat.md).
    place = "3" if sys.version_info >= (3, 13) else f"{WORKSPACE}/steps.py:3"
    commands = f"b g\nb {place}\nc\nlist\np y\nc\n"
    (node.directory / "commands").write_text(commands)
    (node.directory / "main.py").write_text(
        "import bifrost_cache as b, pdb, sys\nb.install_virtual_import_hook()\nimport steps\n"
        "sys.stdin = open('commands')\npdb.Pdb(stdin=sys.stdin, nosigint=True).runcall(steps.f, 3)\n"
    )
    printed = node.python("main.py").stdout
    first = 7 if sys.version_info >= (3, 13) else 6  # the first line of its body, or its `def`
    assert f"Breakpoint 1 at {WORKSPACE}/steps.py:{first}" in printed
    assert f"Breakpoint 2 at {WORKSPACE}/steps.py:3" in printed
    assert "->     return y" in printed or "-> return y" in printed
    assert f"  {first} B\t" in printed
    assert "(Pdb) 4" in printed


def test_breakpoint_in_a_module_shows_the_line(node):
    node.put("steps.py", STEPS)
    (node.directory / "main.py").write_text(
        "import bifrost_cache as b, sys\nb.install_virtual_import_hook()\nimport steps\n"
        "sys.stdin = open('commands')\nprint(steps.g())\n"
    )
    (node.directory / "commands").write_text("b f\nb 3\nlist\nc\nc\nc\n")
    printed = node.python("main.py").stdout
    # Since 3.13 it stops at the call itself, before that at the next line.
    stop, line = (7, "breakpoint()") if sys.version_info >= (3, 13) else (8, "return f(3)")
    assert f"-> {line}" in printed and f"{WORKSPACE}/steps.py({stop})g()" in printed
    assert f"Breakpoint 2 at {WORKSPACE}/steps.py:3" in printed
    assert printed.rstrip().endswith("4")
