"""install and remove: what they put where, and what a process pays for it."""

import json
import shutil

import pytest
from harness import WORKSPACE, WorkerRaised


def test_install_is_idempotent_and_remove_leaves_nothing(node):
    out = node.script(
        """
        from importlib.machinery import BuiltinImporter
        before = [list(sys.meta_path), list(sys.path_hooks), list(sys.path)]
        first = b.install_virtual_import_hook()
        after = [list(sys.meta_path), list(sys.path_hooks), list(sys.path)]
        second = b.install_virtual_import_hook()
        out["same"] = first is second is b.get_virtual_finder() and after == [sys.meta_path, sys.path_hooks, sys.path]
        out["first_of_all"] = sys.meta_path.index(first) + 1 == sys.meta_path.index(BuiltinImporter)
        out["path0"] = sys.path[0]
        b.remove_virtual_import_hook()
        out["clean"] = before == [sys.meta_path, sys.path_hooks, sys.path] and b.get_virtual_finder() is None
        b.remove_virtual_import_hook()
        """
    )
    assert out == {"same": True, "first_of_all": True, "path0": WORKSPACE, "clean": True}


def test_an_entry_of_sys_path_that_is_no_text_fails_no_import(node):
    out = node.script(
        """
        b.install_virtual_import_hook()
        sys.path.insert(0, "/tmp/\\udcff")
        import colorsys
        out["there"] = colorsys.__name__
        """
    )
    assert out == {"there": "colorsys"}


def test_every_path_hook_has_a_name_as_functions_and_classes_do(node):
    """beartype.claw asks for it."""
    out = node.script(
        """
        b.install_virtual_import_hook()
        out["names"] = [hook.__name__ for hook in sys.path_hooks]
        out["qualified"] = [hook.__qualname__ for hook in sys.path_hooks]
        """
    )
    assert out["names"][0] == "workspace_path_hook" and out["qualified"][0]


def test_install_puts_back_what_somebody_removed(node):
    node.put("m.py", "X = 1\n")
    out = node.script(
        """
        finder = b.install_virtual_import_hook()
        sys.meta_path.remove(finder)
        sys.path.remove(sys.path[0])
        b.install_virtual_import_hook()
        import m
        out.update(x=m.X, times=sys.meta_path.count(finder), path0=sys.path[0])
        """
    )
    assert out == {"x": 1, "times": 1, "path0": WORKSPACE}


def test_settings_of_a_later_install_replace_the_earlier(node):
    node.put("m.py", "X = 1\n")
    out = node.script(
        """
        finder = b.install_virtual_import_hook(workspace="/ws/one")
        same = finder is b.install_virtual_import_hook(workspace="/ws/two")
        import m
        out.update(same=same, file=m.__file__, path=[p for p in sys.path if p.startswith("/ws/")])
        """
    )
    assert out == {"same": True, "file": "/ws/two/m.py", "path": ["/ws/two"]}


def test_an_install_that_is_refused_changes_nothing(node):
    node.put("m.py", "X = 1\n")
    out = node.script(
        """
        finder = b.install_virtual_import_hook(workspace="/ws/one")
        def refused(**arguments):
            try:
                b.install_virtual_import_hook(**arguments)
            except (ValueError, TypeError) as error:
                return str(error)
        out.update(why=refused(precedence="first"), fallback=refused(fallback=5), workspace=refused(workspace="rel"))
        out.update(installed=finder in sys.meta_path)
        b.install_virtual_import_hook(on_stale="error")
        import m
        out.update(file=m.__file__)
        """
    )
    assert "precedence" in out["why"] and "callable" in out["fallback"] and "absolute" in out["workspace"]
    assert (out["installed"], out["file"]) == (True, "/ws/one/m.py")


def test_modules_loaded_before_a_new_install_are_still_known(node):
    node.put("m.py", "X = 1\n")
    out = node.execute(
        """
        import m, redis, os, json
        b.remove_virtual_import_hook()
        b.install_virtual_import_hook()
        out["current"] = b.begin_execution().evicted
        client = redis.Redis.from_url(os.environ["BIFROST_REDIS_URL"])
        client.setex("bifrost:module:m.py", 100, json.dumps({"content": "X = 2\\n", "hash": ""}))
        out["changed"] = b.begin_execution().evicted
        """
    )
    assert out == {"current": [], "changed": ["m"]}


def test_directories_may_be_path_objects(node):
    node.put("m.py", "X = 1\n")
    out = node.script(
        """
        from pathlib import Path
        import os
        b.install_virtual_import_hook(workspace=Path("/ws/x"), segment_dir=Path(os.environ.pop("BIFROST_SEGMENT_DIR")))
        out["source"] = b.begin_execution().source
        import m
        out["file"] = m.__file__
        """
    )
    assert out == {"source": "shm", "file": "/ws/x/m.py"}


def test_an_importer_cached_before_the_hook_existed_is_forgotten(node):
    node.put("pkg/__init__.py", "")
    node.put("pkg/m.py", "")
    out = node.script(
        f"""
        import pkgutil
        sys.path.insert(0, {WORKSPACE!r})
        pkgutil.get_importer({WORKSPACE!r}), pkgutil.get_importer({WORKSPACE + "/pkg"!r})
        b.install_virtual_import_hook()
        import pkg
        out["names"] = [[m.name for m in pkgutil.iter_modules(p)] for p in (sys.path[:1], pkg.__path__)]
        """
    )
    assert out == {"names": [["pkg"], ["m"]]}


def test_disabled_nothing_is_installed_and_nothing_is_found(node):
    node.put("m.py", "X = 1\n")
    out = node.script(
        """
        before = [list(sys.meta_path), list(sys.path_hooks), list(sys.path)]
        finder = b.install_virtual_import_hook()
        execution = b.begin_execution()
        b.invalidate_module_index()
        out.update(same=before == [sys.meta_path, sys.path_hooks, sys.path], spec=finder.find_spec("m"),
                   evicted=execution.evicted, stats=b.stats(), loaded=b.loaded())
        b.remove_virtual_import_hook()
        """,
        env={"BIFROST_DISABLE": "1"},
    )
    assert out == {"same": True, "spec": None, "evicted": [], "stats": {}, "loaded": {}}


@pytest.mark.parametrize("variable, expected", [("BIFROST_DISABLE", "`1` or `0`"), ("BIFROST_TELEMETRY", "`on` or `off`")])
def test_a_switch_that_is_neither_on_nor_off_is_refused(node, variable, expected):
    with pytest.raises(WorkerRaised) as error:
        node.script("b.install_virtual_import_hook()", env={variable: "yes"})
    assert error.value.name == "ValueError"
    assert f"`yes` ({variable}): expected {expected}" in str(error.value)


def test_an_execution_without_a_hook_says_that_its_imports_come_from_elsewhere(node):
    node.script("b.begin_execution()")
    assert "RuntimeWarning: bifrost: imports of this execution do not come from the mirror" in node.last_stderr
    node.execute("out['x'] = 1")
    assert node.last_stderr == ""


def test_start_up_imports_nothing_opens_nothing_and_starts_no_thread(node):
    done = node.python(
        code="""
        import os, sys
        modules, descriptors = set(sys.modules), os.listdir("/proc/self/fd")
        import bifrost_cache
        bifrost_cache.install_virtual_import_hook()
        added = sorted(set(sys.modules) - modules)
        print(added, os.listdir("/proc/self/fd") == descriptors, len(os.listdir("/proc/self/task")))
        """
    )
    assert done.stdout == "['bifrost_cache', 'bifrost_cache._shim'] True 1\n", done.stderr


def test_a_foreign_import_costs_one_probe_and_no_input_or_output(node):
    out = node.execute(
        """
        import importlib.util
        before = b.stats()
        for _ in range(100):
            b.get_virtual_finder().find_spec("numpy")
        after = b.stats()
        out.update(asked=after["mirror_answers"] - before["mirror_answers"], redis=after["fallbacks"])
        """
    )
    assert out == {"asked": 100, "redis": 0}


def test_stats_count_what_imports_met_and_know_generation_and_source(node):
    node.put("m.py")
    out = node.execute(
        """
        import m
        try:
            import nope
        except ImportError:
            pass
        b.begin_execution()
        s = b.stats()
        out.update(same=s["generation"] == execution.generation, source=s["source"], hits=s["hits"],
                   executions=s["executions"], fences=s["fences"], missed=s["misses"] > 0)
        """
    )
    assert out == {"same": True, "source": "shm", "hits": 1, "executions": 2, "fences": 2, "missed": True}


def test_autoload_installs_the_hook_when_the_interpreter_starts(node):
    node.put("m.py", "X = 1\n")
    code = f"""
        import site, sys
        site.addsitedir({node.environment()["PYTHONPATH"]!r})
        print("bifrost_cache" in sys.modules)
        import m
        print(m.X)
        """
    done = node.python(code=code, env={"BIFROST_AUTOLOAD": "1"})
    assert done.stdout == "True\n1\n", done.stderr
    assert node.python(code=code).stdout == "False\n"
    assert node.python(code=code, env={"BIFROST_AUTOLOAD": "0"}).stdout == "False\n"


def test_autoload_of_a_package_that_cannot_be_imported_is_one_line(node, tmp_path):
    """As in a sub-interpreter, for which CPython refuses the extension from 3.12 on."""
    site = tmp_path / "site"
    shutil.copytree(node.environment()["PYTHONPATH"], site, ignore=shutil.ignore_patterns("_shim.*"))
    code = f"import site; site.addsitedir({str(site)!r}); print('started')"
    done = node.python(code=code, env={"BIFROST_AUTOLOAD": "1", "PYTHONPATH": ""})
    assert done.returncode == 0 and done.stdout == "started\n"
    assert "_shim" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_autoload_never_keeps_an_interpreter_from_starting(node):
    code = f"import site; site.addsitedir({node.environment()['PYTHONPATH']!r}); print('started')"
    done = node.python(code=code, env={"BIFROST_AUTOLOAD": "1", "BIFROST_PRECEDENCE": "nonsense"})
    assert done.returncode == 0 and done.stdout == "started\n"
    assert "nonsense" in done.stderr and len(done.stderr.splitlines()) == 1


def test_spawned_children_with_autoload_run_functions_of_the_workspace(node, tmp_path):
    node.put("jobs.py", "def double(x):\n    return 2 * x\n")
    (tmp_path / "sitecustomize.py").write_text(f"import site\nsite.addsitedir({node.environment()['PYTHONPATH']!r})\n")
    (tmp_path / "main.py").write_text(
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    import jobs\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(jobs.double, [1, 2]))\n"
    )
    path = f"{tmp_path}:{node.environment()['PYTHONPATH']}"
    done = node.python(str(tmp_path / "main.py"), env={"BIFROST_AUTOLOAD": "1", "PYTHONPATH": path})
    assert done.stdout == "[2, 4]\n", done.stderr


def test_public_names_are_those_of_the_stub(node):
    out = node.script("out['names'] = sorted(n for n in b.__all__ if not hasattr(b, n)); out['n'] = len(b.__all__)")
    assert out["names"] == [] and out["n"] >= 12
    assert json.dumps(out)


def test_builtin_and_frozen_modules_win_although_the_finder_stands_before_their_finders(node):
    # Neither is in sys.stdlib_module_names on every Python, so the names have to be asked about.
    for name in ("__hello__", "_imp", "sys", "zipimport"):
        node.put(f"{name}.py", "WORKSPACE = True\n")
    out = node.script(
        """
        b.install_virtual_import_hook()
        b.begin_execution()
        import importlib.util
        out["origins"] = {n: importlib.util._find_spec(n, None).origin for n in ("__hello__", "_imp", "sys", "zipimport")}
        """
    )
    assert out["origins"] == {"__hello__": "frozen", "_imp": "built-in", "sys": "built-in", "zipimport": "frozen"}
