"""CPython's own tests of importing, with the modules that they write served from the mirror."""

import pytest

# Suite -> how many tests it has at least: a suite that finds nothing must not pass.
SUITES = {
    "circular": 20,
    "finder_and_loader": 18,
    "namespaces": 15,
    "packages": 15,
    "relative": 25,
    "reload_and_find": 15,
    "resources": 15,
    "run_modules": 12,
    "threads": 3,
    "zip_fixture": 15,
}


@pytest.mark.parametrize("suite", SUITES)
def test_cpythons_tests_pass_with_modules_of_the_workspace(node, run_child, suite):
    report = run_child("mirror", suite)
    outcomes, differences = report["outcomes"], report["differences"]
    failed = {i: text for i, (outcome, text) in outcomes.items() if outcome == "failed"}
    unexpected = {i: text for i, text in failed.items() if i.rsplit(".", 1)[-1] not in differences}
    assert not unexpected, "\n".join(f"==== {i}\n{text}" for i, text in unexpected.items())
    passed = [i for i, (outcome, _) in outcomes.items() if outcome == "ok"]
    assert [i for i in passed if i.rsplit(".", 1)[-1] in differences] == [], "no longer different: say so in the docs"
    assert len(passed) >= SUITES[suite], outcomes
    assert report["stats"]["hits"] >= 3, "the modules came from somewhere else"
    assert (report["stats"]["code_hits"] >= 3) == node.shares_code
