"""docs/consistency.md names the test of each promise: every test that it names exists."""

import re

from harness import REPOSITORY

TEXT = (REPOSITORY / "docs" / "consistency.md").read_text()


def sources(pattern):
    return "\n".join(p.read_text() for p in (REPOSITORY / "tests").rglob(pattern))


def test_the_python_tests_that_are_named_exist():
    named = set(re.findall(r"\btest_\w+\b(?!\.py)", TEXT))
    files = set(re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)`", TEXT))
    assert named and files
    assert files <= {p.name for p in (REPOSITORY / "tests").rglob("test_*.py")}
    assert named <= set(re.findall(r"^def (test_\w+)", sources("test_*.py"), re.M))


def test_every_promise_has_a_row():
    rows = re.findall(r"^\| (D-\d+) \|", TEXT, re.M)
    assert rows == [f"D-{i}" for i in range(1, 12)]


def test_the_cpp_tests_that_are_named_exist():
    tests = set(re.findall(r"\b(?:TEST|TEST_F|TEST_P)\((\w+), (\w+)\)", sources("*.cpp")))
    suites = {suite for suite, _ in tests}
    named = re.findall(r"`(\w+)\.(\w+|\*)`", TEXT)
    named = [(suite, name) for suite, name in named if suite[0].isupper() and (suite, name) != ("Suite", "Test")]
    assert named
    missing = [f"{suite}.{name}" for suite, name in named
               if suite not in suites or (name != "*" and (suite, name) not in tests)]
    assert not missing
