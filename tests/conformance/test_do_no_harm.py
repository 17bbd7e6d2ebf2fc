"""The standard library's own tests of importing pass unchanged in a process that has the hook."""

import pytest

# Test module -> how many of its tests pass at least. A test that fails with the hook and without it is the machine's.
MODULES = {
    "test_importlib": 800,
    "test_import": 50,
    "test_zipimport": 40,
    "test_pkgutil": 20,
    "test_pkg": 7,
    "test_runpy": 25,
    "test_linecache": 15,
    "test_modulefinder": 10,
    "test_zipimport_support": 3,
}


@pytest.mark.parametrize("module", MODULES)
def test_the_standard_librarys_tests_pass_with_the_hook(run_child, module):
    outcomes = run_child("stdlib", module)["outcomes"]
    failed = {i: text for i, (outcome, text) in outcomes.items() if outcome == "failed"}
    if failed:
        without = run_child("plain", module, *failed)["outcomes"]
        failed = {i: text for i, text in failed.items() if without.get(i, ["ok"])[0] != "failed"}
    assert not failed, "\n".join(f"==== {i}\n{text}" for i, text in failed.items())
    assert sum(outcome == "ok" for outcome, _ in outcomes.values()) >= MODULES[module], len(outcomes)
