"""What a module of the workspace looks like to the code that imports it."""

import pytest
from harness import WORKSPACE


def test_module_attributes_name_storage_and_workspace(node):
    node.put("shared/halopsa.py", "X = 1\n", hash="abc")
    out = node.execute(
        """
        from shared import halopsa as m
        d = m.__dict__
        out.update(file=m.__file__, origin=m.__spec__.origin, has_location=m.__spec__.has_location,
                   cached="__cached__" in d or m.__spec__.cached is not None, hash=d["__content_hash__"],
                   stored=d["__storage_path__"], loader=type(m.__loader__).__name__, package=m.__package__,
                   source=execution.source, x=m.X)
        """
    )
    assert out == {
        "file": f"{WORKSPACE}/shared/halopsa.py",
        "origin": f"{WORKSPACE}/shared/halopsa.py",
        "has_location": True,
        "cached": False,
        "hash": "abc",
        "stored": "shared/halopsa.py",
        "loader": "VirtualModuleLoader",
        "package": "shared",
        "source": "shm",
        "x": 1,
    }


def test_an_empty_hash_and_an_empty_module_are_kept_as_they_are(node):
    node.put("empty.py", "", hash="")
    out = node.execute(
        "import empty; out.update(hash=empty.__content_hash__, public=[n for n in dir(empty) if n[0] != '_'])"
    )
    assert out == {"hash": "", "public": []}


def test_packages_relative_imports_and_precedence_work_as_on_disk(node):
    node.put("pkg/__init__.py", "from . import a\nfrom .deep.b import B\n")
    node.put("pkg.py", "raise RuntimeError('the package wins')\n")
    node.put("pkg/a.py", "from .deep import b\nA = b.B\n")
    node.put("pkg/deep/__init__.py")
    node.put("pkg/deep/b.py", "B = 'é😀'\n")
    out = node.execute("import pkg; out.update(a=pkg.a.A, b=pkg.B, path=pkg.__path__, init=pkg.__file__)")
    assert out == {"a": "é😀", "b": "é😀", "path": [f"{WORKSPACE}/pkg"], "init": f"{WORKSPACE}/pkg/__init__.py"}


def test_the_init_file_of_a_package_has_a_second_name(node):
    node.put("pkg/__init__.py", "X = 1\n")
    node.put("pkg/sub.py", "from .__init__ import X\n")
    worker = node.worker()
    worker.do("import pkg.sub, pkg.__init__ as init")
    assert worker.ask("[pkg.sub.X, init.__name__, init is pkg, init.__file__ == pkg.__file__]") == [1, "pkg.__init__", False, True]
    node.put("pkg/__init__.py", "X = 2\n")
    worker.do("b.begin_execution(); import pkg.sub")
    assert worker.ask("pkg.sub.X") == 2
    assert worker.error_of("import pkg.sub.__init__").startswith("ModuleNotFoundError")


def test_circular_imports_work(node):
    node.put("one.py", "import two\nX = two.Y + 1\n")
    node.put("two.py", "import one\nY = 1\n")
    assert node.execute("import one; out['x'] = one.X") == {"x": 2}


def test_directories_without_init_are_namespace_packages(node):
    node.put("a/b/c.py", "C = 1\n")
    out = node.execute(
        """
        import a.b.c
        out.update(c=a.b.c.C, path=list(a.b.__path__), file=getattr(a, "__file__", None))
        out["loader"] = type(a.__loader__).__name__
        """
    )
    assert out == {"c": 1, "path": [f"{WORKSPACE}/a/b"], "file": None, "loader": "NamespaceLoader"}


def test_the_path_of_a_namespace_compares_as_pythons_own_does(node):
    node.put("space/own.py", "")
    path = "import space; path = space.__path__; "
    out = node.execute(path + "out['same'] = [path == path, path == None, path == list(path), len({path, path})]")
    assert out == {"same": [True, False, False, 1]}


@pytest.mark.parametrize("installed", ["package", "module"])
def test_a_directory_without_init_never_hides_what_is_installed(node, tmp_path, installed):
    if installed == "package":
        (tmp_path / "platform_sdk").mkdir()
        (tmp_path / "platform_sdk" / "__init__.py").write_text("WHERE = 'installed'\n")
    else:
        (tmp_path / "platform_sdk.py").write_text("WHERE = 'installed'\n")
    node.put("platform_sdk/stray.py", "")
    node.put("other/module.py", "WHERE = 'workspace'\n")
    node.wait("--fresh")
    answer = node.run(f"""
        sys.path.append({str(tmp_path)!r})
        import platform_sdk, other.module
        answer = [platform_sdk.WHERE, other.module.WHERE]
        try:
            import platform_sdk.stray
        except ImportError:
            answer.append("not there")
    """)
    assert answer == ["installed", "workspace", "not there"]


def test_a_package_of_the_workspace_still_hides_what_is_installed(node, tmp_path):
    (tmp_path / "platform_sdk.py").write_text("WHERE = 'installed'\n")
    node.put("platform_sdk/__init__.py", "WHERE = 'workspace'\n")
    node.wait("--fresh")
    assert node.run(f"sys.path.append({str(tmp_path)!r})\nimport platform_sdk\nanswer = platform_sdk.WHERE") == "workspace"


def test_the_disk_is_searched_once_for_a_directory_of_the_workspace_and_for_nothing_else(node):
    node.put("area/module.py", "")
    node.put("plain.py", "")
    node.put("pkg/__init__.py", "")
    node.wait("--fresh")
    answer = node.run("""
        import importlib.machinery as machinery
        asked, find = [], machinery.PathFinder.find_spec
        machinery.PathFinder.find_spec = classmethod(lambda cls, name, *rest: asked.append(name) or find(name, *rest))
        finder = b.get_virtual_finder()
        for _ in range(3):
            for name in ("area", "plain", "pkg", "nowhere"):
                finder.find_spec(name, None)
        answer = asked
    """)
    assert answer == ["area"]


def test_a_namespace_package_spans_workspace_and_disk(node, tmp_path):
    node.put("lib/mirrored.py", "WHERE = 'mirror'\n")
    (tmp_path / "disk" / "lib").mkdir(parents=True)
    (tmp_path / "disk" / "lib" / "local.py").write_text("WHERE = 'disk'\n")
    (tmp_path / "disk" / "lib" / "mirrored.py").write_text("WHERE = 'hidden'\n")
    out = node.execute(
        f"""
        sys.path.append({str(tmp_path / "disk")!r})
        import lib.mirrored, lib.local
        out.update(mirrored=lib.mirrored.WHERE, local=lib.local.WHERE, entries=len(lib.__path__))
        """
    )
    assert out == {"mirrored": "mirror", "local": "disk", "entries": 2}


def test_the_standard_library_is_never_shadowed(node):
    node.put("json.py", "raise RuntimeError\n")
    node.put("colorsys.py", "raise RuntimeError\n")
    out = node.execute("import colorsys, json; out['files'] = [colorsys.__file__, json.__file__]")
    assert not any(file.startswith(WORKSPACE) for file in out["files"])


def test_precedence_decides_between_workspace_and_installed_packages(node, tmp_path):
    node.put("both.py", "WHERE = 'workspace'\n")
    node.put("only_here.py", "WHERE = 'workspace'\n")
    node.put("ns/child.py", "WHERE = 'workspace'\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "both.py").write_text("WHERE = 'installed'\n")
    code = f"""
        sys.path.append({str(tmp_path / "site")!r})
        import both, only_here, ns.child
        out.update(both=both.WHERE, only=only_here.WHERE, child=ns.child.WHERE)
        """
    assert node.execute(code)["both"] == "workspace"
    out = node.execute(code, env={"BIFROST_PRECEDENCE": "installed"})
    assert out == {"both": "installed", "only": "workspace", "child": "workspace"}


def test_an_installed_package_is_never_evicted(node, tmp_path):
    node.put("both/child.py", "")
    (tmp_path / "site" / "both").mkdir(parents=True)
    (tmp_path / "site" / "both" / "__init__.py").write_text("")
    out = node.execute(
        f"""
        sys.path.append({str(tmp_path / "site")!r})
        import both
        out.update(evicted=b.begin_execution(solution_id="other").evicted, there="both" in sys.modules)
        """,
        env={"BIFROST_PRECEDENCE": "installed"},
    )
    assert out == {"evicted": [], "there": True}


def test_modules_with_a_getattr_for_every_name_import_normally(node):
    node.put("sdk.py", "def __getattr__(name):\n    return 'made up ' + name\n", hash="real")
    out = node.execute(
        """
        import sdk
        from sdk import Client
        out.update(hash=sdk.__content_hash__, client=Client, evicted=b.begin_execution().evicted)
        """
    )
    assert out == {"hash": "real", "client": "made up Client", "evicted": []}


def test_source_is_compiled_as_text(node):
    node.put("bom.py", "\ufeffX = 1\n")
    node.put("cookie.py", "# -*- coding: latin-1 -*-\nX = 'é'\n")
    node.put("crlf.py", "X = 1\r\nY = '''a\r\nb'''\r\n")
    out = node.execute("import bom, cookie, crlf; out['values'] = [bom.X, cookie.X, crlf.X, crlf.Y]")
    assert out == {"values": [1, "é", 1, "a\nb"]}


def test_exceptions_of_the_module_pass_unchanged_and_without_foreign_frames(node):
    node.put("broken.py", "import helper\n\nhelper.fail()\n")
    node.put("helper.py", "class Odd(Exception):\n    pass\n\ndef fail():\n    raise Odd('x')\n")
    node.put("syntax.py", "def f(:\n")
    done = node.python(code="import bifrost_cache as b; b.install_virtual_import_hook(); b.begin_execution(); import broken")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "helper.Odd: x"
    assert "importlib" not in done.stderr and "/bifrost_cache/" not in done.stderr
    assert f'File "{WORKSPACE}/helper.py", line 5, in fail' in done.stderr
    out = node.execute(
        """
        try:
            import syntax
        except SyntaxError as error:
            out.update(file=error.filename, line=error.lineno, left=[n for n in sys.modules if n == "syntax"])
        """
    )
    assert out == {"file": f"{WORKSPACE}/syntax.py", "line": 1, "left": []}


def test_a_large_module_imports(node):
    node.put("sdk.py", "".join(f"def f{i}():\n    return {i}\n\n\n" for i in range(20_000)) + "#" * 3_000_000)
    assert node.execute("import sdk; out['f'] = sdk.f19999()") == {"f": 19999}


def test_opening_a_file_beside_a_module_gives_pythons_own_error(node):
    node.put("reader.py", "import os\nopen(os.path.join(os.path.dirname(__file__), 'data.txt'))\n")
    out = node.execute(
        """
        try:
            import reader
        except FileNotFoundError as error:
            out["name"] = error.filename
        """
    )
    assert out == {"name": f"{WORKSPACE}/data.txt"}


def test_reload_runs_the_newest_source_outside_executions(node, talk):
    node.put("m.py", "X = 1\n")
    talk.do("b.wait_fresh(5); import m, importlib; first = m")
    node.put("m.py", "X = 2\n")
    talk.do("b.wait_fresh(5); importlib.reload(m)")
    assert talk.ask("[m.X, m is first]") == [2, True]


def test_fallback_is_asked_last_and_only_for_what_nobody_has(node):
    node.put("mirrored.py", "X = 'mirror'\n")
    out = node.script(
        """
        asked = []
        def fallback(path):
            asked.append(path)
            return {"extra/__init__.py": "X = 'pkg'\\n", "extra/m.py": b"X = 'm\\xc3\\xa9'\\n"}.get(path)
        b.install_virtual_import_hook(fallback=fallback)
        b.begin_execution()
        import mirrored, extra.m, colorsys
        out.update(asked=asked, x=[extra.X, extra.m.X], sources=[b.loaded()[n].source for n in ("mirrored", "extra.m")])
        """
    )
    assert out["x"] == ["pkg", "mé"]
    assert out["asked"] == ["extra/__init__.py", "extra/m/__init__.py", "extra/m.py"]
    assert out["sources"] == ["source", "fallback"]


def test_fallback_is_asked_for_paths_of_the_scope_only(node):
    out = node.script(
        """
        asked = []
        b.install_virtual_import_hook(fallback=lambda path: asked.append(path))
        b.begin_execution(solution_id="s1")
        try:
            import nowhere
        except ModuleNotFoundError:
            out["asked"] = asked
        """
    )
    assert out == {"asked": ["_solutions/s1/nowhere/__init__.py", "_solutions/s1/nowhere.py"]}


def test_a_failing_fallback_breaks_no_import_and_is_named(node):
    out = node.script(
        """
        def fallback(path):
            import plistlib, wave  # may import what it likes
            raise ConnectionError("object storage is down")
        b.install_virtual_import_hook(fallback=fallback)
        import redis
        try:
            import nowhere
        except ModuleNotFoundError as error:
            out["text"] = str(error)
        """
    )
    assert "the fallback failed: ConnectionError: object storage is down" in out["text"]


def test_names_that_are_no_text_are_left_to_python(node):
    out = node.execute(
        """
        import importlib
        try:
            importlib.import_module("lone\\udc80surrogate")
        except Exception as error:
            out.update(type=type(error).__name__, internal=b.stats()["internal_errors"])
        """
    )
    assert out == {"type": "ModuleNotFoundError", "internal": 0}


def test_a_name_with_a_slash_is_no_module(node):
    node.put("pkg/__init__.py")
    node.put("pkg/mod.py")
    out = node.execute(
        """
        import importlib
        import pkg.mod
        for name in ("pkg/mod", "pkg.sub/mod", "pkg/"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                out[name] = str(error)
        """
    )
    assert out == {name: f"No module named '{name}'" for name in ("pkg/mod", "pkg.sub/mod", "pkg/")}


def test_solutions_see_their_own_modules_and_shared_ones_only_with_access(node):
    node.put("_solutions/s1/m.py", "WHO = 's1'\n")
    node.put("_solutions/s1/lib/own.py", "WHO = 's1'\n")
    node.put("m.py", "WHO = 'all'\n")
    node.put("lib/common.py", "WHO = 'all'\n")
    out = node.script(
        """
        b.install_virtual_import_hook()
        def who(*names):
            import importlib
            found = []
            for name in names:
                try:
                    found.append(importlib.import_module(name).WHO)
                except ModuleNotFoundError:
                    found.append(None)
            return found
        names = ["m", "lib.own", "lib.common"]
        b.begin_execution(solution_id="s1")
        out["alone"] = who(*names)
        b.begin_execution(solution_id="s1", global_repo_access=True)
        out["both"] = who(*names)
        b.begin_execution(solution_id="s2")
        out["other"] = who(*names, "_solutions", "_solutions.s1.m", "_solutions/s1/m")
        b.begin_execution()
        out["shared"] = who(*names, "_solutions", "_solutions.s1.m", "_solutions/s1/m")
        """
    )
    assert out["alone"] == ["s1", "s1", None]
    assert out["both"] == ["s1", "s1", "all"]
    assert out["other"] == [None] * 6
    assert out["shared"] == ["all", None, "all", None, None, None]


def test_invalid_arguments_are_refused_in_words(node):
    out = node.script(
        """
        def refused(call, *a, **k):
            try:
                call(*a, **k)
            except (ValueError, TypeError) as error:
                return f"{type(error).__name__}: {error}"
        out.update(
            precedence=refused(b.install_virtual_import_hook, precedence="first"),
            workspace=refused(b.install_virtual_import_hook, workspace="relative"),
            fallback=refused(b.install_virtual_import_hook, fallback=3),
            solution=refused(b.begin_execution, solution_id="../x"),
            timeout=refused(b.begin_execution, timeout=-1),
        )
        """
    )
    assert "precedence" in out["precedence"] and "first" in out["precedence"]
    assert "workspace" in out["workspace"] and "fallback" in out["fallback"]
    assert "solution_id" in out["solution"] and "timeout" in out["timeout"]


def test_entries_of_sys_path_inside_the_workspace_are_searched_whoever_answers(node):
    node.put("vendor/vendored.py", "X = 1\n")
    out = node.execute(
        f"""
        b.install_virtual_import_hook(fallback=lambda path: None)
        sys.path.append("{WORKSPACE}/vendor")
        import vendored
        out["x"] = vendored.X
        """
    )
    assert out == {"x": 1}


def test_a_nested_namespace_grows_with_its_parents_path(node):
    node.put("first/parent/child/one.py", "X = 1\n")
    node.put("second/parent/child/two.py", "X = 2\n")
    out = node.execute(
        f"""
        sys.path.append("{WORKSPACE}/first")
        import parent.child.one
        try:
            import parent.child.two
        except ModuleNotFoundError as error:
            out["before"] = error.name
        sys.path.append("{WORKSPACE}/second")
        import parent.child.two
        out.update(x=parent.child.two.X, path=list(parent.child.__path__))
        """
    )
    assert out == {
        "before": "parent.child.two",
        "x": 2,
        "path": [f"{WORKSPACE}/first/parent/child", f"{WORKSPACE}/second/parent/child"],
    }


def test_specs_of_the_same_module_are_equal(node):
    node.put("m.py")
    node.put("n.py")
    out = node.execute(
        """
        find = b.get_virtual_finder().find_spec
        one, again, other = (find(name) for name in "mmn")
        out.update(same=one == again, other=one == other, loaders=len({one.loader, again.loader}))
        """
    )
    assert out == {"same": True, "other": False, "loaders": 1}


@pytest.mark.parametrize("segment", ["mirror", "no mirror"])
def test_names_that_no_path_can_have_are_not_ours_and_nobody_is_asked(node, tmp_path, segment):
    names = ["../x", "..", ".", "", "a//b", "a/", "/abs", "nul\0", "index:x", "resolution:x", "n" * 1022, "\udcff"]
    for name in names[:-1]:
        node.put(name + ".py", "ODD = 1")
        node.put(name + "/__init__.py", "ODD = 1")
    node.put("a/good.py", "good")
    env = {} if segment == "mirror" else {"BIFROST_SEGMENT_DIR": str(tmp_path / "none")}
    out = node.execute(
        f"""
        asked = []
        b.install_virtual_import_hook(fallback=lambda path: asked.append(path))
        finder = b.get_virtual_finder()
        out["found"] = [name for name in {names!r} if finder.find_spec(name)]
        out["found"] += [name for name in {names!r}
                         if ":" not in name and finder.find_spec(name, [{WORKSPACE!r} + "/a"])]
        loader = finder.find_spec("a.good").loader
        for path in ("../x.py", "a//b.py", ".py", "a/../../good.py", "/abs.py", "nul\\0.py", ""):
            try:
                out["found"].append(loader.get_data({WORKSPACE!r} + "/" + path).decode())
            except FileNotFoundError:
                pass
        out["good"] = loader.get_data({WORKSPACE!r} + "/a/../x//../a/good.py").decode()
        out["asked"] = asked
        """,
        env,
    )
    assert (out["found"], out["asked"], out["good"]) == ([], [], "good")
