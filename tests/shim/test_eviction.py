"""What leaves sys.modules when an execution begins, so that its imports are those of a fresh process; and what stays."""

import re

import pytest
from harness import WORKSPACE


def test_eviction_takes_all_workspace_modules_and_leaves_who_is_at_work_in_them_whole(node, talk):
    node.put("pkg/__init__.py", "from . import a\ndef plugins(): return [name for name in globals() if name in ('a', 'b')]\n")
    node.put("pkg/a.py", "X = 1\n")
    node.put("ns/b.py", "X = 1\n")
    talk.begin()
    talk.do("import pkg, pkg.a, ns.b, json; old_pkg, old_ns = pkg, ns")
    assert talk.begin()["evicted"] == []
    node.put("ns/b.py", "X = 2\n")
    assert talk.begin()["evicted"] == ["ns", "ns.b", "pkg", "pkg.a"]
    assert talk.ask("['json' in sys.modules, 'pkg' in sys.modules, 'pkg.a' in sys.modules]") == [True, False, False]
    assert talk.ask("[old_pkg.plugins(), old_pkg.a.X, old_ns.b.X]") == [["a"], 1, 1]
    talk.do("import ns.b")
    assert talk.ask("ns.b.X") == 2


@pytest.mark.parametrize("looks", [True, False])
def test_what_was_taken_from_a_module_counts_though_another_stood_in_its_place_for_a_while(node, talk, looks):
    node.put("x.py", "V = 1\n")
    node.put("a.py", "from x import V\n")
    talk.begin()
    talk.do("import json, unittest.mock, a, x")
    talk.do(f"with unittest.mock.patch.dict(sys.modules, {{'x': json}}): {'b.loaded()' if looks else 'pass'}")
    assert talk.begin()["evicted"] == []
    node.put("x.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["a", "x"]
    talk.do("import a, x")
    assert talk.ask("[a.V, x.V]") == [2, 2]


def test_a_module_in_whose_place_another_stood_for_a_while_counts_also_when_it_is_the_only_one(node, talk):
    node.put("x.py", "V = 1\n")
    talk.begin()
    talk.do("import json, unittest.mock, x")
    talk.do("with unittest.mock.patch.dict(sys.modules, {'x': json}): b.loaded()")
    assert talk.begin()["evicted"] == []
    node.put("x.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["x"]


def test_a_package_and_its_module_in_whose_place_others_stood_for_a_while_are_the_same_after_that(node, talk):
    node.put("pkg/__init__.py")
    node.put("pkg/sub.py")
    talk.begin()
    talk.do("import json, unittest.mock, pkg.sub")
    talk.do("with unittest.mock.patch.dict(sys.modules, {'pkg': json, 'pkg.sub': json.decoder}): b.loaded()")
    assert talk.begin()["evicted"] == []
    node.put("pkg/sub.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["pkg", "pkg.sub"]


@pytest.mark.parametrize("before, after", [("ns.py", "ns/q.py"), ("ns/z.py", "ns/__init__.py"), ("ns/z.py", None)])
def test_what_a_namespace_found_in_a_directory_that_its_parent_gained_counts(node, talk, before, after):
    node.put("pkg/__init__.py")
    node.put("pkg/ns/w.py")
    node.put(f"extra/{before}")
    node.put("a.py", "import pkg.ns\npkg.__path__.append(__file__.rpartition('/')[0] + '/extra')\n"
                     "N = len(list(pkg.ns.__path__))\n")
    talk.begin()
    talk.do("import a")
    assert talk.begin()["evicted"] == []
    if after is None or after.startswith("ns/q"):
        node.delete(f"extra/{before}")
    if after is not None:
        node.put(f"extra/{after}")
    assert talk.begin()["evicted"] == ["a", "pkg", "pkg.ns"]


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


PLUGINS = """
import pkgutil
GOT = {}
for area in ("first", "second"):
    for finder, name, _ in pkgutil.iter_modules([f"{__file__.rpartition('/')[0]}/{area}"]):
        namespace = {}
        exec(finder.find_spec(name).loader.get_code(name), namespace)
        GOT[area] = namespace["V"]
"""


def test_plugins_of_one_name_are_each_evicted_when_they_change(node, talk):
    node.put("host.py", PLUGINS)
    node.put("first/plug.py", "V = 1\n")
    node.put("second/plug.py", "V = 1\n")
    talk.begin()
    talk.do("import host")
    assert talk.ask("host.GOT") == {"first": 1, "second": 1}
    assert talk.begin()["evicted"] == []
    node.put("first/plug.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["host"]
    talk.do("import host")
    assert talk.ask("host.GOT") == {"first": 2, "second": 1}
    assert talk.begin()["evicted"] == []


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


def test_inspect_does_not_fail_over_a_namespace_that_takes_the_place_of_a_package(node, talk):
    node.put("a/__init__.py", "")
    node.put("a/b.py", "")
    talk.begin()
    talk.do("import inspect, a.b; inspect.stack()")
    node.delete("a/__init__.py")
    talk.begin()
    talk.do("import a.b; inspect.stack()")
    assert talk.ask("a.__file__") is None


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
        self.exec_module, self.create_module = inner.exec_module, inner.create_module
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
    assert talk.ask("m.__loader__ is m.__spec__.loader") == (name == "wrapped")
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


@pytest.mark.parametrize("kind", ["types.ModuleType", "Lazy"])
def test_what_a_package_registers_below_itself_goes_with_it(node, talk, kind):
    node.put("pkg/__init__.py", f"import sys, types\nclass Lazy(types.ModuleType):\n    pass\nsys.modules['pkg.moves'] = {kind}('pkg.moves')\n")
    talk.begin()
    talk.do("import pkg.moves")
    node.put("pkg/__init__.py", "")
    node.put("pkg/moves.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["pkg", "pkg.moves"]
    talk.do("import pkg.moves")
    assert talk.ask("pkg.moves.V") == 2


def worker_with_a_portion_on_disk(node, tmp_path, file, source):
    """In an execution; the namespace `space` has own.py in the workspace, and this file on disk."""
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / file).write_text(source)
    node.put("space/own.py", "V = 1\n")
    talk = node.worker()
    talk.do(f"sys.path.append({str(tmp_path)!r})")
    talk.begin()
    return talk


def test_what_a_package_on_disk_registers_below_a_namespace_stays_its_attribute(node, tmp_path):
    talk = worker_with_a_portion_on_disk(
        node, tmp_path, "disk.py",
        "import sys, types, space\nclass Lazy(types.ModuleType):\n    pass\nspace.lazy = sys.modules['space.lazy'] = Lazy('space.lazy')\n")
    talk.do("import space.own, space.disk; lazy = space.lazy")
    node.put("space/own.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["space", "space.own"]
    talk.do("import space.own, space.disk")
    assert talk.ask("[space.own.V, space.lazy is lazy]") == [2, True]


def test_an_installed_module_that_a_package_registers_below_itself_goes_with_it_and_stays_what_it_is(node, talk):
    node.put("pkg/__init__.py", "import json, sys\nsys.modules['pkg.codec'] = json\n")
    talk.begin()
    talk.do("import json; import pkg.codec; before = json")
    node.put("pkg/__init__.py", "")
    node.put("pkg/codec.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["pkg", "pkg.codec"]
    talk.do("import pkg.codec")
    assert talk.ask("[pkg.codec.V, sys.modules['json'] is before]") == [2, True]


def test_an_object_of_the_hosts_that_a_module_puts_in_its_place_keeps_its_own_name(node, talk):
    node.put("compat.py", "import sys, registry\nsys.modules[__name__] = registry\n")
    talk.do("import types; sys.modules['registry'] = types.SimpleNamespace(V=1)")
    talk.begin()
    talk.do("import compat")
    node.put("compat.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["compat"]
    talk.do("import compat, registry")
    assert talk.ask("[compat.V, registry.V]") == [2, 1]


RUNNING = {
    "importlib's own import": "import main",
    "runpy": "import runpy; runpy.run_module('main', alter_sys=True)",
    "the recipe of importlib's documentation": """
import importlib.util
spec = importlib.util.find_spec("main")
module = sys.modules["main"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
""",
}


@pytest.mark.parametrize("way", RUNNING)
def test_a_module_that_begins_an_execution_while_it_runs_stays(node, talk, way):
    node.put("changed.py", "V = 1\n")
    node.put("main.py", "import sys\nsys.said = sys.modules['bifrost_cache'].begin_execution().evicted\n")
    talk.begin()
    talk.do("import changed")
    node.put("changed.py", "V = 2\n")
    talk.do(RUNNING[way])
    assert talk.ask("sys.said") == ["changed"]


def test_an_import_that_the_host_has_blocked_stays_blocked(node, talk):
    node.put("pkg/__init__.py", "")
    node.put("pkg/heavy.py", "")
    talk.begin()
    talk.do("sys.modules['pkg.heavy'] = None; import pkg")
    node.put("pkg/__init__.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["pkg"]
    assert talk.error_of("import pkg.heavy").startswith("ModuleNotFoundError")


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


def test_a_namespace_that_got_its_part_on_disk_back_looks_like_any_other(node, with_parts_on_disk):
    talk = with_parts_on_disk
    looks = "[repr(space), sorted(vars(space)), space.__spec__.loader is space.__loader__, repr(space.__path__)]"
    before = talk.ask(looks)
    node.put("space/own.py", "V = 2\n")
    talk.begin()
    assert talk.ask("__import__('importlib.util').util.find_spec('space').name") == "space"
    talk.do("import space.disk, space.own")
    assert [re.sub("0x[0-9a-f]+", "", str(look)) for look in talk.ask(looks)] == [
        re.sub("0x[0-9a-f]+", "", str(look)) for look in before]


def test_what_a_module_on_disk_registers_below_itself_stays(node, tmp_path):
    """As six and many extension modules do."""
    talk = worker_with_a_portion_on_disk(
        node, tmp_path, "six.py",
        "import sys, types\nmoves = sys.modules[__name__ + '.moves'] = types.ModuleType(__name__ + '.moves')\n")
    talk.do("import space.own, space.six")
    node.put("space/own.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["space", "space.own"]
    talk.do("import space.own, space.six\nfrom space.six import moves\nimport space.six.moves")
    assert talk.ask("space.own.V") == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_submodules_on_disk_stay_whatever_their_package_puts_in_its_place(node, tmp_path, wrapped):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "disk.py").write_text("D = object()\n__name__ = 'another name'\n")
    source = "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n"
    if wrapped:
        source += "import sys, types\nlazy = types.ModuleType(__name__)\nlazy.__path__ = __path__\nsys.modules[__name__] = lazy\n"
    node.put("pkg/__init__.py", source)
    talk = node.worker()
    talk.do(f"sys.path.append({str(tmp_path)!r})")
    talk.begin()
    talk.do("import pkg.disk; before = sys.modules['pkg.disk']")
    node.put("pkg/__init__.py", source + "# changed\n")
    assert talk.begin()["evicted"] == ["pkg"]
    assert talk.ask("sys.modules['pkg.disk'] is before") is True


def test_a_nested_namespace_with_a_part_on_disk_is_the_solutions_first(node, tmp_path):
    (tmp_path / "space" / "sub").mkdir(parents=True)
    (tmp_path / "space" / "sub" / "disk.py").write_text("")
    node.put("space/sub/own.py", "V = 'shared'\n")
    node.put("_solutions/a/space/sub/own.py", "V = 'of a'\n")
    talk = node.worker()
    talk.do(f"sys.path.append({str(tmp_path)!r})")
    for scope, expected in (({}, "shared"), ({"solution_id": "a", "global_repo_access": True}, "of a"), ({}, "shared")):
        talk.begin(**scope)
        talk.do("import space.sub.own, space.sub.disk")
        assert talk.ask("[space.sub.own.V, space.sub.disk.__name__]") == [expected, "space.sub.disk"]


def test_a_namespace_that_became_a_module_is_that_also_with_a_part_on_disk(node, with_parts_on_disk):
    talk = with_parts_on_disk
    node.delete("space/own.py")
    node.put("space.py", "V = 'a module'\n")
    talk.begin()
    talk.do("import space")
    assert talk.ask("space.V") == "a module"


def test_a_namespace_that_pythons_own_finder_has_made_is_evicted(node):
    """Where installed packages come first, PathFinder puts the workspace's portion into a path of its own kind."""
    node.put("space/own.py", "V = 'shared'\n")
    node.put("_solutions/a/space/own.py", "V = 'of a'\n")
    talk = node.worker(BIFROST_PRECEDENCE="installed")
    talk.do(f"sys.path.append({WORKSPACE!r})")
    talk.begin()
    talk.do("import space.own")
    assert talk.ask("type(space.__path__).__name__") == "_NamespacePath"
    assert talk.begin(solution_id="a")["evicted"] == ["space", "space.own"]
    talk.do("import space.own")
    assert talk.ask("space.own.V") == "of a"


def test_a_namespace_whose_path_a_module_has_broken_harms_no_execution(node, talk):
    node.put("space/own.py", "import space\nspace.__path__ = None\n")
    talk.begin()
    talk.do("import space.own")
    node.put("space/own.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["space.own"]
