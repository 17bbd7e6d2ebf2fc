"""Nodes whose workers have a workspace of their own; see tests/harness."""

import contextlib

import pytest
from harness import WORKSPACE
from zygote_endings import FLOW
from zygote_parent import warmed, zygote_on


@pytest.fixture
def bare_node(bare_node):
    bare_node.workspace = WORKSPACE
    return bare_node


@pytest.fixture
def node(redis_node):
    """A node with Redis and agent."""
    redis_node.start_agent()
    return redis_node


@pytest.fixture
def talk(node):
    """A long-lived worker on `node`."""
    return node.worker()


@pytest.fixture
def flows(node):
    """A node with the modules that executions run; a file may write its own."""
    node.put("flow.py", FLOW)
    node.put("helper.py", "VALUE = 1\n")
    return node


@pytest.fixture
def zygote(flows):
    """Makes parent processes with a Zygote `z`."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(zygote_on(flows, **options))


@pytest.fixture
def warm_parent(zygote):
    """One whose templates for `flow` are ready."""
    parent = zygote()
    parent.do("z.execute('flow:value')")
    warmed(parent, "flow")
    return parent
