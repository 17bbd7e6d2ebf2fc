"""What leaves sys.modules when an execution begins, so that its imports are those of a fresh process; and what stays."""

import pytest
from harness import WORKSPACE


def test_eviction_takes_all_workspace_modules_and_their_parents_attributes(node, talk):
    node.put("pkg/__init__.py", "")
    node.put("pkg/a.py", "X = 1\n")
    node.put("ns/b.py", "X = 1\n")
    talk.begin()
    talk.do("import pkg.a, ns.b, json; old_pkg, old_ns = pkg, ns")
    assert talk.begin()["evicted"] == []
    node.put("ns/b.py", "X = 2\n")
    assert talk.begin()["evicted"] == ["ns", "ns.b", "pkg", "pkg.a"]
    assert talk.ask("[hasattr(old_pkg, 'a'), hasattr(old_ns, 'b'), 'json' in sys.modules, 'pkg' in sys.modules]") == [
        False,
        False,
        True,
        False,
    ]
    talk.do("import ns.b")
    assert talk.ask("ns.b.X") == 2


def test_modules_from_other_entries_of_the_path_stay_until_they_change(node, talk):
    node.put("helper.py", "V = 'root'\n")
    node.put("flows/late.py", "V = 'late'\n")
    node.put("flows/own.py", "V = 'own'\n")
    talk.begin()
    talk.do(f"import sys; sys.path.insert(0, '{WORKSPACE}/flows'); import helper, late, own")
    assert talk.ask("[helper.V, late.V, own.V]") == ["root", "late", "own"]
    assert talk.begin()["evicted"] == []
    node.put("flows/helper.py", "V = 'flows'\n")
    assert talk.begin()["evicted"] == ["helper", "late", "own"]
    talk.do("import helper")
    assert talk.ask("helper.V") == "flows"
    node.put("helper.py", "V = 'no matter'\n")
    assert talk.begin()["evicted"] == []
    node.delete("flows/helper.py")
    assert talk.begin()["evicted"] == ["helper"]
    talk.do("import helper")
    assert talk.ask("helper.V") == "no matter"


def test_modules_that_put_something_else_in_their_own_place_are_evicted_as_well(node, talk):
    node.put("lazy.py", "import sys, types\nlazy = types.ModuleType(__name__)\nlazy.V = 1\nsys.modules[__name__] = lazy\n")
    node.put("proxy.py", "import sys\nclass Proxy:\n    V = 1\nsys.modules[__name__] = Proxy()\n")
    talk.begin()
    talk.do("import lazy, proxy")
    assert talk.begin()["evicted"] == []
    node.put("proxy.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["lazy", "proxy"]
    talk.do("import proxy")
    assert talk.ask("proxy.V") == 2


def test_content_that_changed_under_the_same_hash_is_evicted(node, talk):
    node.put("m.py", "X = 1\n", hash="abc")
    talk.begin()
    talk.do("import m")
    node.put("m.py", "X = 2\n", hash="abc")
    assert talk.begin()["evicted"] == ["m"]


def test_other_modules_changing_evicts_nothing(node, talk):
    node.put("m.py", "X = 1\n")
    talk.begin()
    talk.do("import m")
    node.put("unrelated.py", "X = 1\n")
    assert talk.begin()["evicted"] == []


# importlib takes a module that has run out of sys.modules and puts it back. Signal handlers and other threads run between.
BETWEEN = """
def between(step):
    def profile(frame, event, function):
        if event == "c_return" and getattr(function, "__self__", None) is sys.modules and function.__name__ == "pop":
            sys.setprofile(None)
            step()
    sys.setprofile(profile)
"""


def expect_that_the_next_execution_runs_the_edit(talk):
    assert talk.begin()["evicted"] == ["m"]
    talk.do("import m")
    assert talk.ask("m.X") == 2


def test_a_module_that_importlib_puts_back_is_not_forgotten_by_who_looks_meanwhile(node, talk):
    node.put("m.py", "X = 1\n")
    talk.begin()
    talk.do(BETWEEN)
    talk.do("seen = []; between(lambda: seen.append([*b.loaded()])); import m")
    assert talk.ask("seen") == [[]]
    assert talk.ask("[*b.loaded()]") == ["m"]
    node.put("m.py", "X = 2\n")
    expect_that_the_next_execution_runs_the_edit(talk)


def test_a_module_that_is_put_back_after_its_eviction_goes_with_the_next(node, talk):
    node.put("m.py", "X = 1\n")
    talk.begin()
    talk.do(BETWEEN)
    node.put("m.py", "X = 2\n")
    talk.do("between(b.begin_execution); import m")
    assert talk.ask("m.X") == 1
    expect_that_the_next_execution_runs_the_edit(talk)
    assert talk.begin()["evicted"] == []


def test_a_module_that_somebody_took_out_of_sys_modules_evicts_twice_and_no_more(node, talk):
    node.put("m.py", "X = 1\n")
    node.put("other.py", "")
    talk.begin()
    talk.do("import m, other; del sys.modules['m']")
    node.put("m.py", "X = 2\n")
    assert talk.begin()["evicted"] == ["other"]
    talk.do("import other")
    assert talk.begin()["evicted"] == ["other"]
    talk.do("import other")
    assert talk.begin()["evicted"] == []


# --- Under whatever name, in whatever hands ---------------------------------------------------------------------------


def test_a_module_that_puts_an_installed_one_in_its_own_place_is_evicted_and_that_one_stays(node, talk):
    node.put("codec.py", "import json, sys\nsys.modules[__name__] = json\n")
    node.put("_solutions/a/codec.py", "NAME = 'of a'\n")
    talk.begin()
    talk.do("import codec, json; before = json")
    assert talk.ask("codec.__name__") == "json"
    node.put("codec.py", "import pickle, sys\nsys.modules[__name__] = pickle\n")
    assert talk.begin()["evicted"] == ["codec"]
    talk.do("import codec")
    assert talk.ask("[codec.__name__, sys.modules['json'] is before]") == ["pickle", True]
    talk.begin(solution_id="a")
    talk.do("import codec")
    assert talk.ask("codec.NAME") == "of a"


WRAPPING = """
import importlib.abc
class Loader(importlib.abc.Loader):
    def __init__(self, inner):
        self.exec_module = inner.exec_module
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "wrapped":
            spec = b.get_virtual_finder().find_spec(name, path)
            spec.loader = Loader(spec.loader)
            return spec
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("name", ["wrapped", "says"])
def test_a_module_with_another_loader_around_ours_is_evicted(node, talk, name):
    source = "V = {}\n" if name == "wrapped" else "__loader__ = object()\nV = {}\n"
    node.put(f"{name}.py", source.format(1))
    talk.do(WRAPPING)
    talk.begin()
    talk.do(f"import {name} as m")
    assert talk.begin()["evicted"] == []
    node.put(f"{name}.py", source.format(2))
    assert talk.begin()["evicted"] == [name]
    talk.do(f"import {name} as m")
    assert talk.ask("m.V") == 2


def test_second_names_are_evicted_with_their_module(node, talk):
    node.put("_solutions/a/core.py", "KEY = 'of a'\n")
    node.put("_solutions/a/flow.py", "import core, sys\nsys.modules['settings'] = core\nsys.modules['\\udc80'] = core\n")
    node.put("_solutions/b/settings.py", "KEY = 'of b'\n")
    talk.begin(solution_id="a")
    talk.do("import flow, settings")
    assert set(talk.begin(solution_id="b")["evicted"]) >= {"core", "flow", "settings"}
    talk.do("import settings")
    assert talk.ask("[settings.KEY, '\\udc80' in sys.modules]") == ["of b", False]


def test_what_was_loaded_under_another_name_is_evicted(node, talk):
    node.put("plugin.py", "V = 1\n")
    talk.begin()
    talk.do("""
import importlib.util
spec = importlib.util.find_spec("plugin")
sys.modules["registered"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["registered"])
""")
    node.put("plugin.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["registered"]


def test_what_a_package_registers_below_itself_goes_with_it(node, talk):
    node.put("pkg/__init__.py", "import sys, types\nsys.modules['pkg.moves'] = types.ModuleType('pkg.moves')\n")
    talk.begin()
    talk.do("import pkg.moves")
    node.put("pkg/__init__.py", "")
    node.put("pkg/moves.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["pkg", "pkg.moves"]
    talk.do("import pkg.moves")
    assert talk.ask("pkg.moves.V") == 2


def test_a_module_that_begins_an_execution_while_it_is_loaded_stays(node, talk):
    node.put("changed.py", "V = 1\n")
    node.put("main.py", "import sys\nb = sys.modules['bifrost_cache']\nEVICTED = b.begin_execution().evicted\n")
    talk.begin()
    talk.do("import changed")
    node.put("changed.py", "V = 2\n")
    talk.do("import main")
    assert talk.ask("main.EVICTED") == ["changed"]


# --- Packages with a part on disk -------------------------------------------------------------------------------------


@pytest.fixture
def with_parts_on_disk(node, tmp_path):
    for part in ("space", "pkg"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "disk.py").write_text("D = object()\n")
    (tmp_path / "pkg" / "__init__.py").write_text("")
    node.put("space/own.py", "V = 1\n")
    node.put("_solutions/a/space/own.py", "V = 'of a'\n")
    node.put("pkg/__init__.py", "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n")
    node.put("pkg/own.py", "V = 1\n")
    worker = node.worker()
    worker.do(f"sys.path.append({str(tmp_path)!r})")
    worker.begin()
    worker.do("import pkg.disk, pkg.own, space.disk, space.own; before = [pkg.disk.D, space.disk.D]")
    return worker


SEES = "[pkg.own.V, space.own.V, [pkg.disk.D, space.disk.D] == before]"


def test_what_lies_on_disk_stays_and_is_found_in_its_package(node, with_parts_on_disk):
    talk = with_parts_on_disk
    node.put("pkg/own.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["pkg", "pkg.own", "space", "space.own"]
    talk.do("import pkg.disk, pkg.own, space.disk, space.own")
    assert talk.ask(SEES) == [2, 1, True]


def test_a_namespace_with_a_part_on_disk_leads_to_the_present_scope(node, with_parts_on_disk):
    talk = with_parts_on_disk
    talk.begin(solution_id="a", global_repo_access=True)
    talk.do("import pkg.disk, pkg.own, space.disk, space.own")
    assert talk.ask(SEES) == [1, "of a", True]
    talk.begin()
    talk.do("import pkg.disk, pkg.own, space.disk, space.own")
    assert talk.ask(SEES) == [1, 1, True]


def test_a_namespace_that_became_a_module_is_that_also_with_a_part_on_disk(node, with_parts_on_disk):
    talk = with_parts_on_disk
    node.delete("space/own.py")
    node.put("space.py", "V = 'a module'\n")
    talk.begin()
    talk.do("import space")
    assert talk.ask("space.V") == "a module"
