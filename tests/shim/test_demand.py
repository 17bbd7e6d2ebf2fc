"""zygote/_demand.py: what is kept warm, and what falls out by number, bytes and age."""

import importlib.util

import pytest
from harness import PACKAGE


@pytest.fixture
def module():
    """By its file: it needs nothing else of the package."""
    spec = importlib.util.spec_from_file_location("_demand", PACKAGE / "bifrost_cache/zygote/_demand.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def demand(module):
    return module.Demand()


def imported(*names, bytes=10, within=""):
    """As _shim.watched_imports() tells it."""
    return [(name, f"{name}.py", within, bytes, False) for name in names]


def planned(demand):
    return sorted(demand.plan().paths)


def test_the_modules_of_every_target_are_planned_with_where_their_code_lies(demand):
    demand.learn("a:f", imported("a", "both"), whole=True)
    demand.learn("b:f", imported("b", "both"), whole=True)
    assert demand.plan().paths == {"a": "a.py", "b": "b.py", "both": "both.py"}


def test_what_was_not_known_or_lies_elsewhere_is_news(demand):
    assert demand.learn("a:f", imported("a"), whole=True)
    assert not demand.learn("a:f", imported("a"), whole=True)
    assert demand.learn("a:f", [("a", "a/__init__.py", "", 10, False)], whole=True)
    assert demand.learn("b:f", imported("a"), whole=True), "to this target"


@pytest.mark.parametrize("code_only", [True, False])
def test_code_that_is_held_ready_for_another_target_is_news_only_where_modules_are_imported_in_advance(module, code_only):
    """That one may have been left out."""
    demand = module.Demand(code_only)
    assert demand.learn("a:f", imported("a"), whole=True)
    assert demand.learn("a:g", [("a", "a.py", "", 10, True)], whole=True) is not code_only


def test_modules_are_imported_by_those_that_began_their_import(demand):
    began_elsewhere = imported("d", within="elsewhere")
    demand.learn("a:f", [*imported("a"), *imported("b", "c", within="a"), *began_elsewhere], whole=True)
    plan = demand.plan()
    assert (plan.modules, plan.children) == (["a", "d"], {"a": ["b", "c"], "elsewhere": ["d"]})


def test_as_many_modules_are_planned_as_are_allowed_those_that_ran_last_first(module, demand, monkeypatch):
    monkeypatch.setattr(module, "MOST_MODULES", 3)
    demand.learn("a:f", imported("a1", "a2"), whole=True)
    demand.learn("b:f", imported("b1", "b2"), whole=True)
    assert planned(demand) == ["a1", "b1", "b2"]
    demand.learn("a:f", [], whole=False)
    assert planned(demand) == ["a1", "a2", "b1"]


def test_as_many_bytes_are_planned_as_are_allowed_each_module_counted_once(module, demand, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    demand.learn("a:f", imported("both", "a1", "a2", bytes=30), whole=True)
    demand.learn("b:f", imported("both", "b1", bytes=30), whole=True)
    assert planned(demand) == ["a1", "b1", "both"]


def test_a_module_that_is_too_large_leaves_the_others_their_room(module, demand, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    demand.learn("a:f", imported("giant", bytes=101) + imported("a1", "a2", bytes=40), whole=True)
    assert planned(demand) == ["a1", "a2"]


def test_the_target_that_was_not_run_for_longest_gives_way(module, demand, monkeypatch):
    monkeypatch.setattr(module, "_MOST_TARGETS", 2)
    for name in ("a", "b", "a", "c"):
        demand.learn(f"{name}:f", imported(name), whole=True)
    assert planned(demand) == ["a", "c"]


def test_a_target_that_was_not_run_in_many_executions_is_not_kept_warm(module, demand, monkeypatch):
    monkeypatch.setattr(module, "_FORGOTTEN_AFTER", 5)
    demand.learn("a:f", imported("a"), whole=True)
    for _ in range(4):
        demand.learn("b:f", imported("b"), whole=True)
    assert planned(demand) == ["a", "b"]
    demand.learn("b:f", imported("b"), whole=True)
    assert planned(demand) == ["b"]
    demand.learn("a:f", [], whole=False)
    assert planned(demand) == ["a", "b"], "it is known still"


def test_a_module_that_whole_runs_miss_three_times_in_a_row_is_the_targets_no_more(demand):
    demand.learn("a:f", imported("a", "rare"), whole=True)
    for _ in range(10):
        demand.learn("a:f", [], whole=False)  # it was there before: that says nothing
    for names in (["a"], ["a"], ["a", "rare"], ["a"], ["a"]):
        demand.learn("a:f", imported(*names), whole=True)
    assert planned(demand) == ["a", "rare"]
    demand.learn("a:f", imported("a"), whole=True)
    assert planned(demand) == ["a"]


def test_a_module_that_runs_fail_to_import_three_times_in_a_row_is_the_targets_no_more_and_that_is_news(demand):
    demand.learn("a:f", imported("a", "part"), whole=True)
    for names in ([], [], ["part"], [], []):
        assert not demand.learn("a:f", imported(*names), whole=False, failed=["part"])
    assert planned(demand) == ["a", "part"]
    assert not demand.learn("a:f", [], whole=False, failed=["elsewhere"])
    assert demand.learn("a:f", [], whole=False, failed=["part"])
    assert planned(demand) == ["a"]
    assert not demand.learn("a:f", [], whole=False, failed=["part"])


def test_patterns_are_planned_those_of_the_target_that_ran_last_first_but_are_no_news(module, demand, monkeypatch):
    monkeypatch.setattr(module, "MOST_PATTERNS", 3)
    demand.learn("a:f", imported("a"), whole=True, compiled=[(str, "a1", 32), (str, "a2", 32)])
    demand.learn("b:f", imported("b"), whole=True, compiled=[(str, "b1", 32), (bytes, b"b2", 0)])
    assert demand.plan().patterns == [(bytes, b"b2", 0), (str, "b1", 32), (str, "a2", 32)]
    assert not demand.learn("a:f", [], whole=False, compiled=[(str, "a3", 32)])
    assert demand.plan().patterns == [(str, "a3", 32), (str, "a2", 32), (str, "a1", 32)]
    demand.learn("a:f", [], whole=False, compiled=[(str, "a4", 32)])
    assert demand.plan().patterns == [(str, "a4", 32), (str, "a3", 32), (str, "a2", 32)], "the oldest is forgotten"
