import re

import pytest
from nemesis.mutants import MUTANTS


@pytest.fixture
def node(redis_node):
    """A node with Redis running and no agent yet."""
    return redis_node


@pytest.fixture
def live(node):
    """A node whose agent is ready, with one module `shared/halopsa.py`: VERSION = 1."""
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent()
    return node


def pytest_terminal_summary(terminalreporter):
    """How many of the defects that are built (tests/mutants) the history checker has caught."""
    tried = {outcome: {found[1] for report in terminalreporter.stats.get(outcome, ())
                       if (found := re.search(r"::test_the_checker_notices\[(.+)\]$", getattr(report, "nodeid", "")))}
             for outcome in ("passed", "failed")}
    if any(tried.values()):
        terminalreporter.section("defects")
        terminalreporter.line(f"{len(tried['passed'])} of {len(MUTANTS)} defects caught")
        for defect in sorted(tried["failed"]):
            terminalreporter.line(f"  unnoticed: {defect}")
