"""Fixtures: the real programs, each test with a segment directory and a Redis of its own."""

import shutil
import subprocess

import pytest

from cachectl_runner import Cachectl, Stage, end_process, running_agent, wait_until


@pytest.fixture
def segment_dir(tmp_path):
    directory = tmp_path / "segment-dir"
    directory.mkdir(mode=0o755)
    return directory


@pytest.fixture
def cachectl(segment_dir):
    return Cachectl(segment_dir)


@pytest.fixture
def stage(segment_dir):
    stage = Stage(segment_dir)
    yield stage
    stage.end()


@pytest.fixture
def redis_url(tmp_path_factory):
    """A private redis-server on a Unix socket, with the platform's configuration."""
    directory = tmp_path_factory.mktemp("redis")
    socket = directory / "r.sock"
    server = subprocess.Popen(
        [shutil.which("redis-server") or "/usr/bin/redis-server", "--port", "0", "--unixsocket", socket,
         "--dir", directory, "--save", "", "--appendonly", "yes", "--daemonize", "no"],
        stdout=subprocess.DEVNULL)
    try:
        import redis

        client = redis.Redis(unix_socket_path=str(socket))

        def answers():
            try:
                return client.ping()
            except redis.exceptions.ConnectionError:
                return False

        wait_until(answers, "redis-server answers")
        yield f"unix://{socket}"
        client.close()
    finally:
        end_process(server)


@pytest.fixture
def redis_client(redis_url):
    import redis

    client = redis.Redis(unix_socket_path=redis_url.removeprefix("unix://"))
    yield client
    client.close()


@pytest.fixture
def agent(segment_dir, redis_url):
    """A running bifrost-agent on `redis_url`, ready."""
    with running_agent(segment_dir, redis_url) as process:
        yield process
