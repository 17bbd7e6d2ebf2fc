import pytest
from node import running_node


@pytest.fixture
def node():
    """A node with Redis running and no agent yet."""
    with running_node() as it:
        yield it


@pytest.fixture
def live(node):
    """A node whose agent is ready, with one module `shared/halopsa.py`: VERSION = 1."""
    node.publish("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent()
    return node
