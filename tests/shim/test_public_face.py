"""What users see of the package: functions that can be pickled, inspected and read about."""

import subprocess

import pytest
from harness import REPOSITORY

FUNCTIONS = {"begin_execution", "current_execution", "get_virtual_finder", "install_virtual_import_hook", "invalidate_module_index", "load_path", "loaded",
             "remove_virtual_import_hook", "source_of", "stats", "wait_fresh"}

POOL = """
import multiprocessing
import os
import bifrost_cache

def seen_by_worker(_):
    return [bifrost_cache.get_virtual_finder() is not None, __import__("m").X, bifrost_cache.begin_execution().source]

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with context.Pool(2, initializer=bifrost_cache.install_virtual_import_hook) as pool:
        print(pool.map_async(seen_by_worker, range(4)).get(60))
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_the_hook_is_an_initializer_of_pools(node, tmp_path, method):
    node.put("m.py", "X = 1\n")
    program = tmp_path / "program.py"
    program.write_text(POOL.format(method=method))
    done = node.python(program)
    assert done.stdout == f"{[[True, 1, 'shm']] * 4}\n", done.stderr


def test_public_functions_are_pythons_and_travel_pickled(bare_node):
    out = bare_node.script(
        """
        import inspect, pickle
        functions = [f for n in b.__all__ if inspect.isfunction(f := getattr(b, n))]
        out["functions"] = sorted(f.__name__ for f in functions)
        out["same"] = all(pickle.loads(pickle.dumps(f)) is f for f in functions)
        out["untyped"] = [f.__name__ for f in functions if "return" not in f.__annotations__
                          or set(inspect.signature(f).parameters) - set(f.__annotations__)]
        out["others"] = [n for n in b.__all__ if n != "__version__" and not callable(getattr(b, n))]
        """
    )
    assert out == {"functions": sorted(FUNCTIONS), "same": True, "untyped": [], "others": []}


def test_docstrings_say_what_arguments_results_errors_cost_and_since(bare_node):
    lacking = bare_node.script(
        """
        import inspect
        from bifrost_cache import worker, zygote
        functions = [f for n in b.__all__ if inspect.isfunction(f := getattr(b, n))]
        for f in [*functions, worker.execute, zygote.warm]:
            doc, signature = inspect.getdoc(f), inspect.signature(f)
            parts = ["Cost:", "Since:"]
            parts += ["Returns:"] if signature.return_annotation not in (None, "None") else []
            parts += ["Args:", *(f"    {name}: " for name in signature.parameters)] if signature.parameters else []
            out[f.__name__] = [part for part in parts if part not in doc]
        """
    )
    assert set(lacking) == {*FUNCTIONS, "execute", "warm"}
    assert {name: parts for name, parts in lacking.items() if parts} == {}


def test_settings_are_given_by_name_only_and_reach_the_extension(bare_node):
    out = bare_node.script(
        """
        refused = []
        for function in (b.install_virtual_import_hook, b.begin_execution):
            for arguments, keywords in (([None], {}), ([], {"nonsense": 1})):
                try:
                    function(*arguments, **keywords)
                except TypeError:
                    refused.append(function.__name__)
        given = dict(segment_dir="/seg", redis_url="redis://h:1/2", workspace="/ws", precedence="installed", on_stale="error",
                     complete=False, fallback=print)
        b.install_virtual_import_hook(**given)
        settings = b._shim.effective_settings()
        out.update(refused=len(refused), same={k: v for k, v in settings.items() if given[k] != v and given[k] is not v})
        b.begin_execution(roots=["a/", ""], fresh=False, timeout=0)
        out["roots"] = b._shim.present_roots()
        b.begin_execution(solution_id="s", global_repo_access=True, fresh=False, timeout=0)
        out["both"] = b._shim.present_roots()
        """
    )
    assert out == {"refused": 4, "same": {}, "roots": ["a/", ""], "both": ["_solutions/s/", ""]}


def test_the_page_about_the_package_is_current():
    done = subprocess.run([REPOSITORY / "tools" / "write-api-docs", "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
