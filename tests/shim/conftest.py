"""Nodes whose workers have a workspace of their own; see tests/harness."""

import contextlib

import pytest
from harness import WORKSPACE
from zygote_parent import zygote_on


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
def zygote(flows):
    """Makes parent processes with a Zygote `z`, on the node whose modules a file's own `flows` has written."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(zygote_on(flows, **options))
