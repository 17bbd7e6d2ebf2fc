"""Fixtures: the real programs, each test with a segment directory and a Redis of its own."""

import pytest
from harness import Cachectl, Stage


@pytest.fixture
def segment_dir(bare_node):
    bare_node.segment_dir.mkdir(mode=0o755)
    return bare_node.segment_dir


@pytest.fixture
def cachectl(segment_dir):
    return Cachectl(segment_dir)


@pytest.fixture
def stage(segment_dir):
    stage = Stage(segment_dir)
    yield stage
    stage.close()


@pytest.fixture
def redis_url(redis_node):
    return redis_node.redis.url


@pytest.fixture
def redis_client(redis_node):
    client = redis_node.redis.client()
    yield client
    client.close()


@pytest.fixture
def agent(redis_node, segment_dir):
    """A running bifrost-agent on `redis_url`, ready."""
    return redis_node.start_agent("--size", "1M")
