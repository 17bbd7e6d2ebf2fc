"""Nodes whose workers have a workspace of their own; see tests/harness."""

import pytest
from harness import WORKSPACE


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
