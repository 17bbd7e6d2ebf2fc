"""A Redis that cannot save its data: it refuses whatever writes, and PING by the same words, and answers all else."""

import pytest
import redis as redis_py
from harness import eventually, running_node


@pytest.fixture
def node():
    with running_node("--appendonly", "no", "--save", "3600 1000000") as node:
        yield node
        (node.directory / "dump.rdb").rmdir()


def refuse_writes(node):
    (node.directory / "dump.rdb").mkdir()  # so that no snapshot can take that name
    client = node.redis.client()
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "Redis fails to save")
    with pytest.raises(redis_py.exceptions.ResponseError, match="MISCONF"):
        client.ping()


def change_all_the_same(node, *module):
    """By somebody whom Redis lets."""
    client = node.redis.client()
    client.config_set("stop-writes-on-bgsave-error", "no")
    node.put(*module)
    client.config_set("stop-writes-on-bgsave-error", "yes")


def test_the_mirror_goes_on_following_it(node):
    node.put("m.py", "X = 1\n")
    node.start_agent()
    refuse_writes(node)
    change_all_the_same(node, "m.py", "X = 2\n")
    node.wait("--fresh")
    assert node.run("import m; answer = execution.source, m.X") == ["shm", 2]
    assert "redis_lost" not in node.agent.log


def test_an_agent_that_begins_meanwhile_mirrors_it(node):
    node.put("m.py", "X = 1\n")
    refuse_writes(node)
    node.start_agent()
    assert node.run("import m; answer = execution.source, m.X") == ["shm", 1]


def test_workers_without_an_agent_ask_it(node):
    node.put("m.py", "X = 1\n")
    refuse_writes(node)
    assert node.run("import m; answer = b.loaded()['m'].source, m.X") == ["redis", 1]


def test_doctor_says_what_is_wrong(node):
    node.start_agent()
    refuse_writes(node)
    done = node.cachectl("doctor")
    assert done.returncode == 5
    assert b"it cannot save its data and refuses whatever writes" in done.stdout
    assert b"could not all be examined" not in done.stdout
