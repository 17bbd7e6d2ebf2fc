"""Nodes for the tests in this directory; see shim_node.py."""

import pytest
from shim_node import Node


@pytest.fixture
def bare_node(tmp_path):
    """A node on which nothing runs."""
    node = Node(tmp_path)
    yield node
    node.close()


@pytest.fixture
def redis_node(bare_node):
    """A node with Redis and no agent."""
    bare_node.start_redis()
    return bare_node


@pytest.fixture
def node(redis_node):
    """A node with Redis and agent."""
    redis_node.start_agent()
    return redis_node


@pytest.fixture
def talk(node):
    """A long-lived worker on `node`."""
    conversation = node.conversation()
    yield conversation
    conversation.close()
