"""Platforms whose Redis is a cache of their own store; see docs/integration.md."""

import pathlib

import pytest
from harness import WORKSPACE
from store_api import StoreApi

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def node(redis_node):
    redis_node.workspace = WORKSPACE
    redis_node.start_agent()
    return redis_node


@pytest.fixture
def api(node):
    api = StoreApi(node)
    yield api
    api.close()
