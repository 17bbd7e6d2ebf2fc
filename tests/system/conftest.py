import pytest


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
