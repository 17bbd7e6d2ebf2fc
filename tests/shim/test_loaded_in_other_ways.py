"""What was found and not run, or looked for in places of its own, is compared at the next execution like the rest."""

import pytest
from harness import WORKSPACE, WorkerRaised

LAZY = """
import importlib.util, sys
spec = importlib.util.find_spec("{name}")
spec.loader = importlib.util.LazyLoader(spec.loader)
lazy = sys.modules["{name}"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lazy)
"""


def test_modules_that_were_found_and_not_run_evict_nothing_while_they_stay_what_they_are(node):
    node.put("m.py", "try:\n    import opt\nexcept ImportError:\n    opt = None\n")
    node.put("opt/__init__.py", "from . import sub\n")
    node.put("opt/sub.py", "import not_installed_here\n")
    node.put("area/part.py", "V = 1\n")
    node.wait("--fresh")
    worker = node.worker()
    worker.do("""
import importlib.machinery, importlib.util, pkgutil, sys
import area, m
sys.modules["alias"] = area
found = [finder.find_spec(name) for finder, name, _ in pkgutil.iter_modules(area.__path__, "prefix.")]
found.append(importlib.util.find_spec("alias.part"))
answer = [spec.name for spec in found]
""")
    assert worker.do("answer = b.begin_execution().evicted") == []
    assert worker.do("answer = b.begin_execution().evicted") == []
    node.put("opt/sub.py", "V = 1\n")
    assert "m" in worker.do("answer = b.begin_execution().evicted")


@pytest.mark.parametrize("by", ["a module", "the host"])
def test_what_lazy_loader_has_not_run_yet_is_evicted_when_it_has_changed(node, by):
    node.put("late.py", "V = 1\n")
    node.put("user.py", LAZY.format(name="late"))
    node.wait("--fresh")
    worker = node.worker()
    find = "import user" if by == "a module" else LAZY.format(name="late")
    worker.do(f"b.begin_execution()\n{find}")
    assert worker.do("answer = b.begin_execution().evicted") == []
    node.put("late.py", "V = 2\n")
    assert "late" in worker.do("answer = b.begin_execution().evicted")
    assert worker.do(f"{find}\nimport late; answer = late.V") == 2
    node.put("late.py", "V = 3\n")
    assert "late" in worker.do("answer = b.begin_execution().evicted")
    assert worker.do("import late; answer = late.V") == 3


def test_what_lazy_loader_has_not_run_yet_stays_when_something_else_has_changed(node):
    node.put("late.py", "V = 1\n")
    node.put("other.py", "")
    node.put("user.py", "import late\nV = late.V\n")
    node.wait("--fresh")
    worker = node.worker()
    worker.do("b.begin_execution()\nimport other" + LAZY.format(name="late"))
    for change in ("# 1\n", "# 2\n"):
        node.put("other.py", change)
        assert worker.do("answer = b.begin_execution().evicted") == ["other"]
        worker.do("import other")
    node.put("late.py", "V = 2\n")
    assert worker.do("b.begin_execution(); import user; answer = user.V") == 2
    with pytest.raises(WorkerRaised, match="substituted in sys.modules"):
        worker.do("lazy.V")
    assert worker.do("answer = b.begin_execution().evicted") == []  # what that has run is not what stands there


@pytest.mark.parametrize("scope", ["the same", "another"])
def test_what_lazy_loader_has_not_run_yet_is_compared_after_any_number_of_names(node, scope):
    node.put("late.py", "V = 1\n")
    node.put("_solutions/s/late.py", "V = 's'\n")
    node.put("area/part.py", "")
    node.wait("--fresh")
    worker = node.worker()
    worker.do(f"""
b.begin_execution()
find = b.get_virtual_finder().find_spec
for number in range(20_000):
    find(f"absent{{number}}")
{LAZY.format(name="late")}
sys.modules["alias"] = lazy
""")
    node.put("late.py", "V = 2\n")
    begin = "b.begin_execution()" if scope == "the same" else "b.begin_execution(solution_id='s')"
    assert sorted(worker.do(f"answer = {begin}.evicted")) == ["alias", "late"]
    assert worker.do("import late; answer = late.V") == (2 if scope == "the same" else "s")


def test_what_lazy_loader_has_not_run_yet_does_not_cross_scopes(node):
    node.put("late.py", "V = 'shared'\n")
    node.put("_solutions/s/late.py", "V = 's'\n")
    node.wait("--fresh")
    worker = node.worker()
    worker.do("b.begin_execution()\n" + LAZY.format(name="late"))
    assert worker.do("b.begin_execution(solution_id='s', global_repo_access=True); import late; answer = late.V") == "s"


def test_a_module_of_somebody_else_is_not_evicted_because_its_name_was_looked_for(node):
    node.put("config.py", "")
    node.put("other.py", "")
    node.wait("--fresh")
    worker = node.worker()
    worker.do(f"""
import importlib.util, types
theirs = sys.modules["config"] = types.ModuleType("config")
theirs.__file__ = {WORKSPACE + "/config.py"!r}
b.begin_execution()
import other
b.get_virtual_finder().find_spec("config")
""")
    node.put("other.py", "# changed\n")
    assert worker.do("answer = b.begin_execution().evicted") == ["other"]


def test_a_submodule_that_appears_earlier_in_its_packages_path_is_seen(node):
    node.put("p/__init__.py", f"__path__.insert(0, {WORKSPACE + '/first'!r})\n")
    node.put("p/x.py", "V = 1\n")
    node.put("first/other.py", "")
    node.wait("--fresh")
    worker = node.worker()
    assert worker.do("b.begin_execution()\nimport p.x; answer = p.x.V") == 1
    assert worker.do("answer = b.begin_execution().evicted") == []
    node.put("first/x.py", "V = 2\n")
    assert worker.do("b.begin_execution()\nimport p.x; answer = p.x.V") == 2
    assert worker.do("answer = b.begin_execution().evicted") == []
