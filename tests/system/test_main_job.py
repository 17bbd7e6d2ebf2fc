"""A module written to Redis runs in a worker, straight from shared memory: each behaviour that users rely on, by name."""

import asyncio
import json
import subprocess

import pytest
import redis.asyncio
from harness import AGENT, WorkerRaised, eventually, running_node

IMPORT = "from shared import halopsa; answer = halopsa.VERSION"


# --- Writers are the platform's ------------------------------------------------------------------------------------

def write_with_redis_py(node, path, content):
    node.put(path, content)


def write_with_asyncio_client(node, path, content):
    async def write():
        client = redis.asyncio.Redis(unix_socket_path=str(node.redis.socket))
        await client.setex(f"bifrost:module:{path}", 86400, node.value(path, content))
        await client.sadd("bifrost:module:index", path)
        await client.close()

    asyncio.run(write())


def write_with_redis_cli(node, path, content):
    def cli(*arguments, data=None):
        subprocess.run(["redis-cli", "-s", str(node.redis.socket), *arguments], input=data, check=True,
                       capture_output=True, text=True)

    cli("-x", "SETEX", f"bifrost:module:{path}", "86400", data=node.value(path, content))
    cli("SADD", "bifrost:module:index", path)


def write_with_one_transaction(node, path, content):
    pipe = node.redis.client().pipeline(transaction=True)
    pipe.setex(f"bifrost:module:{path}", 86400, node.value(path, content))
    pipe.sadd("bifrost:module:index", path)
    pipe.execute()


def write_with_cachectl_push(node, path, content):
    source = node.directory / "pushed" / path
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(content)
    assert node.cachectl("push", node.directory / "pushed").returncode == 0


@pytest.mark.parametrize("write", [write_with_redis_py, write_with_asyncio_client, write_with_redis_cli,
                                   write_with_one_transaction, write_with_cachectl_push])
def test_what_any_writer_stores_is_what_the_next_execution_runs(live, write):
    write(live, "shared/halopsa.py", "VERSION = 'é☃𝄞'\n")
    assert live.run(IMPORT + "; from bifrost_cache import loaded; "
                    "answer = [answer, execution.source, loaded()['shared.halopsa'].source]") == \
        ["é☃𝄞", "shm", "source"]
    write(live, "shared/halopsa.py", "VERSION = 2\n")
    assert live.run(IMPORT) == 2


# --- Freshness -----------------------------------------------------------------------------------------------------

def test_an_acknowledged_edit_is_what_the_next_execution_runs_ten_thousand_times(live):
    worker = live.worker()
    client = live.redis.client()
    for version in range(10_000):
        client.setex("bifrost:module:shared/halopsa.py", 86400, live.value("p", f"VERSION = {version}\n"))
        got = worker.do("import sys; e = bifrost_cache.begin_execution(timeout=10); from shared import halopsa; "
                        "answer = [halopsa.VERSION, e.source]")
        assert got == [version, "shm"]


def test_a_delete_ends_in_module_not_found_at_the_next_execution(live):
    worker = live.worker()
    live.put("shared/other.py", "")
    worker.do("bifrost_cache.begin_execution(); import shared.halopsa")
    live.delete("shared/halopsa.py")
    with pytest.raises(WorkerRaised) as raised:
        worker.do("bifrost_cache.begin_execution(); import shared.halopsa")
    assert raised.value.name == "ModuleNotFoundError"
    assert raised.value.text.startswith("No module named 'shared.halopsa'")


def test_no_delete_is_lost_between_del_and_srem(live):
    worker = live.worker()
    for i in range(300):
        live.put("fleeting.py", f"N = {i}\n")
        got = worker.do("e = bifrost_cache.begin_execution(timeout=10); import fleeting; answer = [fleeting.N, e.source]")
        assert got == [i, "shm"]
        live.delete("fleeting.py")
        assert worker.do("e = bifrost_cache.begin_execution(timeout=10)\n"
                         "try:\n    import fleeting; answer = 'still there'\n"
                         "except ModuleNotFoundError: answer = e.source") == "shm"


def test_deleting_the_last_module_of_all_is_a_delete_too(live):
    client = live.redis.client()
    client.delete("bifrost:module:shared/halopsa.py")
    live.wait("--fresh")  # the agent sees the key gone and the path still listed
    client.srem("bifrost:module:index", "shared/halopsa.py")
    with pytest.raises(WorkerRaised, match="ModuleNotFoundError"):
        live.run("import shared.halopsa")
    with pytest.raises(WorkerRaised, match="ModuleNotFoundError"):
        live.run("import shared")


def test_an_execution_sees_one_generation_also_in_later_lazy_imports(live):
    live.put("flow.py", "VERSION = 1\ndef lazy():\n    from shared import halopsa\n    return halopsa.VERSION\n")
    worker = live.worker()
    worker.do("bifrost_cache.begin_execution(); import flow")
    live.put("shared/halopsa.py", "VERSION = 2\n")
    live.put("brand_new.py", "")
    live.wait("--fresh")
    assert worker.do("answer = flow.lazy()") == 1
    with pytest.raises(WorkerRaised, match="ModuleNotFoundError"):
        worker.do("import brand_new")
    assert worker.do("bifrost_cache.begin_execution(); import flow; answer = flow.lazy()") == 2


def test_modules_written_together_become_visible_together(live):
    names = [f"group/m{i}.py" for i in range(20)]
    client = live.redis.client()
    worker = live.worker()
    for version in range(100):
        pipe = client.pipeline(transaction=True)
        for name in names:
            pipe.setex(f"bifrost:module:{name}", 86400, live.value(name, f"VERSION = {version}\n"))
        pipe.execute()
        seen = worker.do("import importlib; bifrost_cache.begin_execution(fresh=False)\n"
                         "answer = [importlib.import_module(f'group.m{i}').VERSION for i in range(20)]"
                         if version else "bifrost_cache.begin_execution(); answer = [0]")
        assert len(set(seen)) == 1, seen


# --- Shapes of workspaces ------------------------------------------------------------------------------------------

def test_directories_without_init_are_namespace_packages(live):
    live.put("modules/deep/leaf.py", "X = 7\n")
    assert live.run("import modules, modules.deep.leaf; "
                    "answer = [modules.deep.leaf.X, hasattr(modules, '__file__') and modules.__file__]") in \
        ([7, False], [7, None])


def test_empty_content_is_a_module(live):
    live.put("pkg/__init__.py", "")
    live.put("pkg/empty.py", "")
    assert live.run("import pkg.empty; answer = pkg.empty.__file__").endswith("/pkg/empty.py")


def test_a_module_of_four_megabytes_works(live):
    lines = "".join(f"def function_{i}(x):\n    return x + {i}\n\n" for i in range(110_000))
    assert len(lines) > 4_000_000
    live.put("sdk.py", lines)
    assert live.run("import sdk; answer = sdk.function_109999(1)", patience=120) == 110_000


def test_ten_thousand_modules_warm_up(node):
    node.put_many((f"area{i % 50}/module{i}.py", f"X = {i}\n" + "# filler\n" * (i % 500)) for i in range(10_000))
    node.start_agent()
    assert node.status()["modules"] == 10_000
    assert node.run("from area49 import module9999, module49; answer = [module9999.X, module49.X]") == [9999, 49]


# --- Outages -------------------------------------------------------------------------------------------------------

def test_after_the_agent_is_killed_running_executions_go_on_and_new_ones_use_redis(live):
    live.put("flow.py", "def lazy():\n    from shared import halopsa\n    return halopsa.VERSION\n")
    running = live.worker()
    running.do("bifrost_cache.begin_execution(); import flow")
    live.agent.kill()
    live.put("shared/halopsa.py", "VERSION = 2\n")
    assert running.do("answer = flow.lazy()") == 1
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [2, "redis"]


def test_a_restarted_agent_takes_over_without_restarting_workers(live):
    worker = live.worker()
    assert worker.do("e = bifrost_cache.begin_execution(); answer = e.source") == "shm"
    for version in (2, 3):
        live.agent.kill()
        live.put("shared/halopsa.py", f"VERSION = {version}\n")
        assert worker.do("e = bifrost_cache.begin_execution(); " + IMPORT + "; answer = [answer, e.source]") == \
            [version, "redis"]
        live.start_agent()
        live.put("shared/halopsa.py", f"VERSION = {version}.5\n")
        assert worker.do("e = bifrost_cache.begin_execution(); " + IMPORT + "; answer = [answer, e.source]") == \
            [version + 0.5, "shm"]


def test_with_redis_stopped_everything_seen_still_imports_and_is_flagged(live):
    live.redis.stop()
    eventually(lambda: not live.status()["lease_valid"], "the lease lapses")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "stale"]
    assert "RuntimeWarning" in live.last_stderr
    status = live.cachectl("status", "-o", "json")
    assert status.returncode == 5
    assert not json.loads(status.stdout)["redis"]["connected"]


def test_an_agent_restarted_without_redis_serves_what_its_predecessor_saw(live):
    live.redis.stop()
    live.agent.kill()
    live.start_agent(ready=False)
    eventually(lambda: "event=published" in live.agent.log, "the new agent publishes")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "stale"]
    live.redis.start()
    live.wait("--ready")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]


def test_with_neither_mirror_nor_redis_the_error_says_so_in_one_sentence(node):
    node.redis.stop()
    with pytest.raises(WorkerRaised) as raised:
        node.run("import shared.halopsa")
    assert raised.value.name in ("ModuleNotFoundError", "ImportError")
    assert "mirror" in raised.value.text and "Redis" in raised.value.text, raised.value.text


@pytest.mark.parametrize("agent", ["live", "stopped", "killed"])
@pytest.mark.parametrize("redis_is", ["live", "stopped", "gone"])
def test_no_combination_of_outages_hangs_an_import(live, agent, redis_is):
    worker = live.worker()
    worker.do("bifrost_cache.begin_execution()")
    if agent == "killed":
        live.agent.kill()
    if agent == "stopped":
        live.agent.process.send_signal(19)  # SIGSTOP: sockets stay open, nobody answers
    if redis_is == "stopped":
        live.redis.pause()
    if redis_is == "gone":
        live.redis.stop()
    for _ in range(3):
        assert worker.do("e = bifrost_cache.begin_execution()\n"
                         "try:\n    import not_there\nexcept ImportError: pass\n" + IMPORT, patience=10) == 1
    live.redis.resume()


def test_on_stale_error_refuses_instead_of_serving(live):
    live.redis.stop()
    eventually(lambda: not live.status()["lease_valid"], "the lease lapses")
    with pytest.raises(WorkerRaised, match="ImportError") as raised:
        live.run(IMPORT, BIFROST_ON_STALE="error")
    assert "stale" in raised.value.text


# --- Bad values ----------------------------------------------------------------------------------------------------

BAD_VALUES = {
    "malformed JSON": b"{oops",
    "missing content": b'{"path": "bad.py", "hash": "h"}',
    "lone surrogate": b'{"content": "x = 1 # \\ud800", "hash": "h"}',
    "invalid UTF-8": b'{"content": "\xff\xfe", "hash": "h"}',
    "empty value": b"",
}


@pytest.mark.parametrize("kind", [*BAD_VALUES, "wrong type"])
def test_a_bad_value_is_logged_once_and_harms_no_other_module(live, kind):
    client = live.redis.client()
    if kind == "wrong type":
        client.lpush("bifrost:module:bad.py", "x")
    else:
        client.set("bifrost:module:bad.py", BAD_VALUES[kind])
    client.sadd("bifrost:module:index", "bad.py")
    live.wait("--fresh")
    if kind != "wrong type":
        client.set("bifrost:module:bad.py", BAD_VALUES[kind])  # the same again
        live.wait("--fresh")
    assert live.agent.log.count("event=not_mirrored path=bad.py") == 1
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]
    with pytest.raises(WorkerRaised) as raised:
        live.run("import bad")
    assert raised.value.name == "ImportError" or "ImportError" in raised.value.traceback, raised.value.traceback
    assert "bad.py" in raised.value.text
    live.put("bad.py", "GOOD = True\n") if kind != "wrong type" else client.delete("bifrost:module:bad.py")
    if kind != "wrong type":
        assert live.run("import bad; answer = [bad.GOOD, execution.source]") == [True, "shm"]


# --- Trust ---------------------------------------------------------------------------------------------------------

def someone_elses(segment):
    import os
    os.chown(segment, 12345, 12345)


def world_writable(segment):
    segment.chmod(0o666)


def symbolic_link(segment):
    real = segment.with_name("real")
    segment.rename(real)
    segment.symlink_to(real)


def truncated(segment):
    import os
    os.truncate(segment, 4096)


@pytest.mark.parametrize("spoil, status", [(someone_elses, 7), (world_writable, 7), (symbolic_link, 7),
                                           (truncated, 6)])
def test_an_untrustworthy_segment_is_refused_and_imports_go_on_with_redis(live, spoil, status):
    import os
    if spoil is someone_elses and os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    live.agent.kill()
    spoil(live.segment_dir / "segment")
    refused = live.cachectl("status")
    assert refused.returncode == status, refused
    assert str(live.segment_dir / "segment") in refused.stderr.decode()
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "redis"]


# --- The agent's own life ------------------------------------------------------------------------------------------

def test_the_agent_turns_notifications_on_and_says_so(node):
    node.redis.client().config_set("notify-keyspace-events", "Ex")
    node.start_agent()
    flags = node.redis.client().config_get("notify-keyspace-events")["notify-keyspace-events"]
    assert set(flags) == set("EKA")  # A holds x
    assert "event=notifications_enabled flags_before=xE" in node.agent.log
    assert node.status()["redis"]["signal"] != "none"


def test_where_config_is_refused_the_agent_works_by_tracking_and_says_so():
    with running_node("--rename-command", "CONFIG", "") as node:
        node.put("shared/halopsa.py", "VERSION = 1\n")
        node.start_agent()
        assert "keyspace=no tracking=yes" in node.agent.log
        assert node.status()["redis"]["signal"] == "tracking"
        worker = node.worker()
        for version in range(200):
            node.put("shared/halopsa.py", f"VERSION = {version}\n")
            assert worker.do("e = bifrost_cache.begin_execution(timeout=10); " + IMPORT +
                             "; answer = [answer, e.source]") == [version, "shm"]


def test_where_there_is_no_info_the_agent_works_and_says_what_it_does_not_notice():
    with running_node("--rename-command", "INFO", "") as node:
        node.put("shared/halopsa.py", "VERSION = 1\n")
        node.start_agent()
        assert "event=info_refused" in node.agent.log
        assert node.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]


def test_flushed_modules_are_kept_until_writers_return(live):
    live.redis.client().flushall()
    eventually(lambda: live.status()["state"] == "cold", "the agent notices that Redis lost everything")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]


def test_an_expired_module_is_kept_and_marked(live):
    live.redis.let_expire("bifrost:module:shared/halopsa.py")
    eventually(lambda: "retained" in json.dumps(json.loads(live.cachectl("list", "-o", "json").stdout)) and
               live.cachectl("wait", "--fresh").returncode == 0, "the expiry is seen")
    assert live.run(IMPORT) == 1


def test_a_second_agent_for_the_directory_ends_at_once_and_says_why(live):
    second = subprocess.run([AGENT, "--redis-url", live.redis.url, "--segment-dir",
                             live.segment_dir], capture_output=True, text=True, timeout=10)
    assert second.returncode == 1
    assert "another bifrost-agent already serves" in second.stderr
    assert live.run(IMPORT) == 1


def test_sigterm_ends_the_agent_cleanly_and_shows_it(live):
    assert live.agent.stop() == 0
    assert live.status()["state"] == "stopped"
    assert not (live.segment_dir / "control.sock").exists()
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "redis"]


def test_systemd_hears_when_the_mirror_is_ready(node):
    import socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(node.directory / "notify"))
        manager.settimeout(10)
        node.start_agent(ready=False, NOTIFY_SOCKET=str(node.directory / "notify"))
        assert b"READY=1" in manager.recv(1000)


def test_a_deleted_segment_file_is_published_again(live):
    (live.segment_dir / "segment").unlink()
    eventually(lambda: (live.segment_dir / "segment").exists(), "the agent notices")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]


def test_a_lost_subscription_is_taken_up_again_and_nothing_is_missed(live):
    worker = live.worker()
    client = live.redis.client()
    for version in range(20):
        client.client_kill_filter(_type="pubsub")
        live.put("shared/halopsa.py", f"VERSION = {version}\n")
        assert worker.do("bifrost_cache.begin_execution(timeout=10); " + IMPORT) == version
    live.wait("--ready")


# --- Workers -------------------------------------------------------------------------------------------------------

def test_worker_execute_runs_a_workflow_in_a_spawned_process(live):
    live.put("workflows/report.py",
                 "import os\ndef main(n):\n    from shared import halopsa\n    return [os.getpid(), n + halopsa.VERSION]\n")
    script = ("import os\nfrom bifrost_cache import worker\n"
              "if __name__ == '__main__':\n"
              "    pid, value = worker.execute('workflows.report:main', {'n': 41}, timeout=30)\n"
              "    assert pid != os.getpid()\n    print(value)\n")
    (live.directory / "parent.py").write_text(script)
    result = live.python("parent.py")
    assert result.stdout.strip() == "42", result.stderr


def test_python_m_bifrost_cache_run_prints_the_result_as_json(live):
    live.put("workflows/flow.py", "async def main(name):\n    return {'hello': name}\n")
    result = live.python("-m", "bifrost_cache", "run", "workflows.flow:main", "--kwargs", '{"name": "world"}')
    assert json.loads(result.stdout) == {"hello": "world"}, result.stderr


def test_opening_a_file_beside_a_virtual_module_is_pythons_own_error(live):
    live.put("reader.py", "import os\ndef read():\n"
                              "    return open(os.path.join(os.path.dirname(__file__), 'data.txt')).read()\n")
    with pytest.raises(WorkerRaised) as raised:
        live.run("import reader; reader.read()")
    assert raised.value.name == "FileNotFoundError"
    assert "/tmp/bifrost/workspace/data.txt" in raised.value.text
    assert 'reader.py", line 3, in read' in raised.value.traceback
