"""The index can be lost in many ways, and none of them deletes a module. Each way is a test by name."""

import json
import shutil

import pytest
from harness import eventually, free_port, running_node
from harness.node import INDEX, PREFIX

OLD = [f"old/m{i}.py" for i in range(5)]


@pytest.fixture
def followed(node):
    """A node whose agent mirrors OLD, all listed."""
    for path in OLD:
        node.put(path, f"PATH = '{path}'\n")
    node.start_agent()
    return node


def counter(node, name):
    return json.loads(node.cachectl("stats", "-o", "json").stdout)["counters"][name]


def names(node):
    return {module["path"] for module in json.loads(node.cachectl("list", "-o", "json").stdout)}


def writers_begin_a_new_index(node):
    node.put("new.py", "NEW = 1\n")
    eventually(lambda: "new.py" in names(node), "the new module is mirrored")


def keys_expire(node, paths=OLD):
    client = node.redis.client()
    node.redis.let_expire(*[PREFIX + path for path in paths])
    eventually(lambda: not client.exists(*[PREFIX + path for path in paths]), "the keys have expired")
    node.wait("--fresh")


def all_are_kept(node):
    node.wait("--fresh")
    assert set(OLD) <= names(node)
    imported = node.run("import importlib; answer = [importlib.import_module('old.m%d' % i).PATH for i in range(5)]")
    assert imported == OLD


def deleted_while_no_agent_runs(node, paths):
    node.agent.kill()
    for path in paths:
        node.delete(path)
    node.start_agent()
    node.wait("--fresh")


def lost_and_begun_again(node):
    eventually(lambda: counter(node, "index_losses_total") > 0, "the agent notices that the index is lost")
    writers_begin_a_new_index(node)
    keys_expire(node)
    all_are_kept(node)


def test_an_index_that_was_unlinked_deletes_nothing(followed):
    followed.redis.client().unlink(INDEX)
    lost_and_begun_again(followed)


def test_an_index_that_was_unlinked_after_a_module_was_deleted_deletes_nothing_else(followed):
    """UNLINK is announced as the end of a set with its last member is: `del`."""
    followed.put("gone.py", "GONE = 1\n")
    followed.delete("gone.py")
    followed.wait("--fresh")
    assert "gone.py" not in names(followed)
    followed.redis.client().unlink(INDEX)
    lost_and_begun_again(followed)


def test_an_index_that_expired_deletes_nothing(followed):
    followed.redis.let_expire(INDEX)
    eventually(lambda: not followed.redis.client().exists(INDEX), "the index has expired")
    lost_and_begun_again(followed)


def test_an_index_that_was_renamed_deletes_nothing(followed):
    followed.redis.client().rename(INDEX, "elsewhere")
    lost_and_begun_again(followed)


def test_an_index_that_was_replaced_deletes_nothing(followed):
    followed.redis.client().sadd("elsewhere", "other.py")
    followed.redis.client().rename("elsewhere", INDEX)
    lost_and_begun_again(followed)


def test_an_index_of_another_type_deletes_nothing(followed):
    client = followed.redis.client()
    client.set(INDEX, "not a set")
    eventually(lambda: counter(followed, "index_losses_total") > 0, "the agent notices that the index is lost")
    keys_expire(followed)
    all_are_kept(followed)
    client.delete(INDEX)
    writers_begin_a_new_index(followed)
    all_are_kept(followed)


@pytest.mark.parametrize("then", ["nothing", "another agent"])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("paths", [OLD, [f"late/m{i}.py" for i in range(5)]], ids=["known", "new"])
def test_what_was_written_right_before_the_index_was_lost_is_kept(followed, together, paths, then):
    """Its values are read after the loss, its index entries went with the old index."""
    contents = [f"PATH = '{path}'\n" + "# 2" * size for path, size in zip(paths, [1, 1, 1, 1, 50_000], strict=True)]
    writes = followed.redis.client().pipeline(transaction=together)
    for path, content in zip(paths, contents, strict=True):
        writes.setex(PREFIX + path, 86400, followed.value(path, content))
        writes.sadd(INDEX, path)
    writes.unlink(INDEX)
    writes.setex(PREFIX + "new.py", 86400, followed.value("new.py", ""))
    writes.sadd(INDEX, "new.py")
    writes.execute()
    eventually(lambda: counter(followed, "index_losses_total") > 0, "the agent notices that the index is lost")
    followed.wait("--fresh")
    if then == "another agent":
        followed.agent.kill()
        followed.start_agent()
    keys_expire(followed, paths)
    assert [followed.cachectl("get", path).stdout.decode() for path in paths] == contents


def test_what_was_written_after_the_index_was_lost_and_deleted_then_is_gone(followed):
    client = followed.redis.client()
    client.unlink(INDEX)
    writers_begin_a_new_index(followed)
    followed.put(OLD[0], "PATH = 'written again'\n")
    followed.wait("--fresh")
    keys_expire(followed)
    assert OLD[0] in names(followed)
    client.srem(INDEX, OLD[0])
    followed.wait("--fresh")
    assert names(followed) == {*OLD[1:], "new.py"}


def test_an_index_that_was_evicted_deletes_nothing(followed):
    """With everything else: a Redis of which somebody has taken the memory away evicts by real need."""
    client = followed.redis.client()
    for path in OLD:
        client.get(PREFIX + path)
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", 1)
    with pytest.raises(Exception, match="OOM|maxmemory"):
        client.set("filler", "x")
    assert not client.exists(INDEX, *[PREFIX + path for path in OLD])
    client.config_set("maxmemory", 0)
    eventually(lambda: counter(followed, "index_losses_total") > 0, "the agent notices that the index is lost")
    writers_begin_a_new_index(followed)
    all_are_kept(followed)


@pytest.mark.parametrize("signal", ["keyspace", "tracking"])
def test_a_lost_index_deletes_nothing_whichever_signal_tells_of_it(node, signal):
    for path in OLD:
        node.put(path, f"PATH = '{path}'\n")
    node.start_agent("--signal", signal)
    node.redis.client().unlink(INDEX)
    keys_expire(node, OLD[:1])  # with tracking alone, a key that is gone tells that there is no index
    writers_begin_a_new_index(node)
    keys_expire(node)
    all_are_kept(node)


def test_a_loss_is_remembered_when_the_agent_comes_back_and_the_keys_are_still_there(followed):
    followed.redis.client().unlink(INDEX)
    eventually(lambda: counter(followed, "index_losses_total") > 0, "the agent notices that the index is lost")
    followed.agent.kill()
    writers = followed.redis.client()
    writers.sadd(INDEX, "new.py")
    followed.start_agent()
    keys_expire(followed)
    all_are_kept(followed)


def test_an_index_that_was_lost_while_no_agent_ran_is_noticed_by_its_absence(followed):
    followed.agent.kill()
    followed.redis.client().unlink(INDEX)
    followed.start_agent()
    followed.wait("--fresh")
    writers_begin_a_new_index(followed)
    keys_expire(followed)
    all_are_kept(followed)


def test_the_first_modules_of_an_empty_redis_are_ordinary_ones(node):
    node.start_agent()
    node.put_many((path, "V = 1\n") for path in [*OLD, "keep.py"])
    node.wait("--fresh")
    deleted_while_no_agent_runs(node, OLD)
    assert names(node) == {"keep.py"}


def test_what_is_written_again_right_after_a_flush_is_ordinary(followed):
    followed.redis.client().flushall()
    eventually(lambda: followed.status()["state"] == "cold", "the agent notices that everything is gone")
    followed.put_many((path, "V = 2\n") for path in [*OLD, "keep.py"])
    # What was written before the loss has been heard of after two PONGs; then the agent goes through the index.
    for _ in range(4):
        followed.wait("--fresh")
    deleted_while_no_agent_runs(followed, OLD)
    assert names(followed) == {"keep.py"}


def test_what_is_deleted_while_no_agent_runs_is_gone_however_much_it_is(followed):
    deleted_while_no_agent_runs(followed, OLD[:4])
    assert names(followed) == {OLD[4]}


def test_a_tree_that_is_replaced_while_no_agent_runs_is_gone_whatever_the_index_lists_yet(followed):
    """What has a key and is not listed is no sign of a loss: nobody may have listed it, or its writer is about to."""
    followed.put("outside.py", "")
    followed.redis.client().srem(INDEX, "outside.py")
    followed.wait("--fresh")
    followed.agent.kill()
    for path in OLD:
        followed.delete(path)
    followed.put("new.py", "")
    followed.redis.client().setex(PREFIX + OLD[0], 86400, followed.value(OLD[0], "X = 'its SADD is to come'\n"))
    followed.start_agent()
    followed.wait("--fresh")
    assert names(followed) == {"outside.py", "new.py", OLD[0]}


def test_after_a_loss_deletions_are_deletions(followed):
    client = followed.redis.client()
    client.unlink(INDEX)
    eventually(lambda: counter(followed, "index_losses_total") > 0, "the agent notices that the index is lost")
    followed.delete(OLD[0])
    followed.put(OLD[1], "PATH = 'written again'\n")
    followed.wait("--fresh")
    followed.delete(OLD[1])
    followed.wait("--fresh")
    assert names(followed) == set(OLD[2:])


def test_a_rebuilt_index_makes_ordinary_modules_of_what_it_lists(node):
    for path in OLD:
        node.put(path, f"PATH = '{path}'\n")
    node.start_agent("--reconcile", "1s")
    client = node.redis.client()
    client.unlink(INDEX)
    eventually(lambda: counter(node, "index_losses_total") > 0, "the agent notices that the index is lost")
    client.sadd(INDEX, *OLD)
    keys_expire(node)

    def gone_when_removed():
        # Until the next comparison has seen that the new index lists it, it is kept.
        client.sadd(INDEX, OLD[0])
        client.srem(INDEX, OLD[0])
        node.wait("--fresh")
        return OLD[0] not in names(node)

    eventually(gone_when_removed, "a removal from the new index is a deletion")
    assert set(OLD[1:]) <= names(node)


def test_the_removal_of_every_member_is_the_deletion_of_every_module(followed):
    keys_expire(followed)
    followed.redis.client().srem(INDEX, *OLD)
    followed.wait("--fresh")
    assert names(followed) == set()


def restart_without_data(node):
    node.redis.process.kill()
    node.redis.process.wait(30)
    shutil.rmtree(node.redis.directory / "appendonlydir")
    node.redis.start()


def test_what_a_restarted_redis_lacks_is_served_as_stale_while_nobody_vouches(followed):
    """The agent is stopped, so that workers ask Redis themselves: another run id says that a missing key may be a loss."""
    followed.agent.pause()
    eventually(lambda: not followed.status()["lease_valid"], "the lease lapses")
    importing = "from old import m0; answer = [m0.PATH, execution.source]"
    assert followed.run(importing) == [OLD[0], "redis"]
    restart_without_data(followed)
    followed.put("new.py", "NEW = 1\n")
    assert followed.run(importing) == [OLD[0], "redis"]
    assert "stale" in followed.last_stderr
    with pytest.raises(Exception, match="may have lost it"):
        followed.run(importing, BIFROST_ON_STALE="error")
    followed.agent.resume()
    followed.wait("--ready")
    all_are_kept(followed)


def test_directories_are_kept_with_their_modules_while_nobody_vouches(followed):
    followed.agent.pause()
    eventually(lambda: not followed.status()["lease_valid"], "the lease lapses")
    followed.redis.client().flushall()
    assert followed.run("from old import m0; answer = [m0.PATH, execution.source]") == [OLD[0], "redis"]
    followed.agent.resume()


def test_an_index_that_cannot_be_asked_tells_workers_nothing_either(followed):
    keys_expire(followed)
    followed.agent.pause()
    eventually(lambda: not followed.status()["lease_valid"], "the lease lapses")
    followed.redis.client().set(INDEX, "no set")
    assert followed.run("from old import m0; answer = [m0.PATH, execution.source]") == [OLD[0], "redis"]
    assert "stale" in followed.last_stderr
    followed.agent.resume()


def test_what_was_deleted_in_the_same_redis_is_not_found_while_nobody_vouches(followed):
    followed.agent.pause()
    eventually(lambda: not followed.status()["lease_valid"], "the lease lapses")
    followed.delete(OLD[0])
    with pytest.raises(Exception, match="No module named"):
        followed.run("import old.m0")
    followed.agent.resume()


@pytest.mark.parametrize("flushes", [1, 2])
def test_a_flush_of_another_database_is_the_loss_of_nothing(node, flushes):
    many = [f"m{i}.py" for i in range(5000)]
    node.put_many([(path, "X = 1\n") for path in many])
    node.start_agent("--reconcile", "1h")
    keys_expire(node, ["m7.py"])
    eventually(lambda: node.status()["retained"] == 1, "it is retained")
    together = node.redis.client().pipeline(transaction=False)
    together.execute_command("SELECT", 7)
    for _ in range(flushes):
        together.execute_command("FLUSHDB")
    together.execute_command("SELECT", 0)
    together.srem(INDEX, "m7.py")  # before the agent has read everything again
    together.execute()
    eventually(lambda: node.status()["modules"] == len(many) - 1, "what is deleted meanwhile is deleted")


@pytest.mark.parametrize("signal", ["both", "tracking", "keyspace"])
def test_what_a_swapped_database_lacks_goes_though_the_old_one_is_flushed_at_once(node, signal):
    for path in OLD:
        node.put(path, "")
    new = node.redis.client(db=1)
    new.set(PREFIX + OLD[0], node.value(OLD[0], ""))
    new.sadd(INDEX, OLD[0])
    node.start_agent("--signal", signal, "--reconcile", "1h")
    client = node.redis.client()
    together = client.pipeline(transaction=False)
    together.swapdb(0, 1)
    together.execute_command("SELECT", 1)
    together.execute_command("FLUSHDB")
    together.execute_command("SELECT", 0)
    together.execute()
    eventually(lambda: names(node) == {OLD[0]}, "the mirror is what is there now")


def test_a_replica_announces_what_expired_as_deleted_and_it_stays_without_the_index_too(node):
    port = free_port()
    with running_node("--bind", "127.0.0.1", "--port", str(port)) as other:  # its agent is not looked at
        master = other.redis.client()
        for path in OLD:
            other.put(path, f"PATH = '{path}'\n")
        node.redis.client().replicaof("127.0.0.1", port)
        node.start_agent()
        eventually(lambda: set(OLD) <= names(node), "the replica's agent mirrors all")
        other.redis.let_expire(*[PREFIX + path for path in OLD[1:]])
        eventually(lambda: node.status()["retained"] == len(OLD) - 1, "they expired, and are retained")
        other.delete(OLD[0])
        eventually(lambda: OLD[0] not in names(node), "what was deleted goes")
        master.unlink(INDEX)
        eventually(lambda: counter(node, "index_losses_total") > 0, "the agent notices that the index is lost")
        node.wait("--fresh")
        assert names(node) == set(OLD[1:])
        node.redis.client().replicaof("NO", "ONE")


def test_one_removal_costs_few_commands_however_many_modules_are_retained(node):
    """The full number is in bench/retained; this one is small enough for every run."""
    many = [f"m{i}.py" for i in range(3000)]
    node.put_many([(path, "X = 1\n") for path in many])
    node.start_agent("--reconcile", "1h", "--lease", "1h")
    client = node.redis.client()
    node.redis.let_expire(*[PREFIX + path for path in many])
    eventually(lambda: node.status()["retained"] == len(many), "all have expired and are retained")
    node.wait("--fresh")

    def commands():
        return {name[8:]: stat["calls"] for name, stat in client.info("commandstats").items()}

    before = commands()
    client.srem(INDEX, many[7])
    eventually(lambda: node.status()["modules"] == len(many) - 1, "one is gone")
    spent = {name: calls - before.get(name, 0) for name, calls in commands().items() if name not in ("info", "srem")}
    assert sum(spent.values()) <= 30, spent


@pytest.mark.parametrize("command", [["EXPIRE", 4000], ["PERSIST"], ["APPEND", ""], ["COPY"]], ids=lambda c: c[0])
def test_what_touches_a_key_and_is_no_write_of_a_writer_ends_no_loss(followed, command):
    client = followed.redis.client()
    client.unlink(INDEX)
    writers_begin_a_new_index(followed)
    for path in OLD:
        key = PREFIX + path
        if command == ["COPY"]:
            client.copy(key, "elsewhere", replace=True)
            client.copy("elsewhere", key, replace=True)
        else:
            client.execute_command(command[0], key, *command[1:])
    keys_expire(followed)
    all_are_kept(followed)
