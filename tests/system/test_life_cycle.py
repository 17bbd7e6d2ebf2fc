"""The agent's life under bad circumstances, and the bounds that workers keep while Redis is silent."""

import contextlib
import json
import re
import resource
import shutil
import signal
import socket
import time

import pytest
from harness import PATIENCE_S, RedisServer, WorkerRaised, eventually
from nemesis.proxy import FaultProxy

IMPORT = "from shared import halopsa; answer = halopsa.VERSION"


def kinds(node):
    return {m["path"]: m["retained"] for m in json.loads(node.cachectl("list", "-o", "json").stdout)}


def counters(node):
    return json.loads(node.cachectl("stats", "-o", "json").stdout)["counters"]


def test_prune_drops_what_redis_does_not_have_and_keeps_the_rest(live):
    live.put("expiring.py", "X = 1\n")
    live.wait("--fresh")
    live.redis.let_expire("bifrost:module:expiring.py")
    eventually(lambda: kinds(live).get("expiring.py"), "the expiry is seen")
    assert live.cachectl("sync").returncode == 0
    live.wait("--ready")
    assert "expiring.py" in kinds(live), "a sync alone drops nothing"
    assert live.cachectl("sync", "--prune", "--yes").returncode == 0
    eventually(lambda: set(kinds(live)) == {"shared/halopsa.py"}, "the retained module goes")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]


def test_a_mirror_that_was_complete_is_so_without_redis_and_without_an_agent(live):
    """Of what it has, which is what a stale execution goes by."""
    assert live.status()["complete"]
    live.redis.process.kill()
    live.redis.process.wait(10)
    eventually(lambda: not live.status()["redis"]["connected"], "the agent notices")
    assert live.status()["complete"]
    live.agent.stop()
    assert live.status()["complete"] and live.cachectl("exists", "nowhere.py").returncode == 4
    live.start_agent(ready=False)
    eventually(lambda: live.status()["state"] == "starting", "another agent takes over")
    assert live.status()["complete"]


def test_an_execution_that_hears_late_of_its_fence_has_the_whole_mirror_though_redis_has_gone_since(live):
    """The root of its solution lacks the module, so a mirror that was not complete would have to ask Redis."""
    worker = live.worker()
    begin = "e = b.begin_execution(solution_id='s1', global_repo_access=True, timeout=60.0); answer = e.source"
    path = live.segment_dir / "control.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as agent, contextlib.closing(socket.socket(socket.AF_UNIX)) as between:
        for end in (agent, between):
            end.settimeout(PATIENCE_S)
        agent.connect(str(path))
        live.agent.pause()  # or it would put its socket back at once
        path.unlink()
        between.bind(str(path))
        between.listen()
        worker.tell(json.dumps(begin))
        with between.accept()[0] as client:
            client.settimeout(PATIENCE_S)
            live.agent.resume()

            def answer_to_worker():
                agent.sendall(client.recv(4096))
                return agent.recv(4096)

            client.sendall(answer_to_worker())
            assert json.loads(worker.hear(PATIENCE_S)) == {"ok": "shm"}
            worker.tell(json.dumps(begin))
            answer = answer_to_worker()
            live.redis.process.kill()
            live.redis.process.wait(10)
            eventually(lambda: not live.status()["redis"]["connected"], "the agent notices")
            client.sendall(answer)
            assert json.loads(worker.hear(PATIENCE_S)) == {"ok": "shm"}
            assert worker.do(IMPORT + "; answer = [answer, e.intact]") == [1, True]


def test_an_accepted_prune_outlives_the_session_that_accepted_it(live):
    live.put("expiring.py", "X = 1\n")
    live.wait("--fresh")
    live.redis.let_expire("bifrost:module:expiring.py")
    eventually(lambda: kinds(live).get("expiring.py"), "the expiry is seen")
    live.redis.pause()
    assert live.cachectl("sync", "--prune", "--yes").returncode == 0
    live.redis.process.kill()  # before it has answered
    live.redis.process.wait(10)
    eventually(lambda: not live.status()["redis"]["connected"], "the session ends")
    live.redis.start()
    live.wait("--ready")
    eventually(lambda: set(kinds(live)) == {"shared/halopsa.py"}, "the retained module goes")


def test_a_large_clean_up_does_not_cost_the_agent_its_connection(node):
    modules, removed = 100_000, 10_000
    node.put_many((f"area/m{i}.py", "X = 1") for i in range(modules))
    node.start_agent()
    pipeline = node.redis.client().pipeline(transaction=False)
    for i in range(removed):
        pipeline.delete(f"bifrost:module:area/m{i}.py")
        pipeline.srem("bifrost:module:index", f"area/m{i}.py")
    pipeline.execute()
    eventually(lambda: node.status()["modules"] == modules - removed, "what was deleted is gone")
    assert "redis_lost" not in node.agent.log


def test_cold_ends_when_writers_return_and_nothing_is_dropped_across_a_restart_of_the_agent(live):
    live.put("other.py", "X = 1\n")
    live.wait("--fresh")
    live.redis.client().flushall()
    eventually(lambda: live.status()["state"] == "cold", "the agent notices that Redis lost everything")
    live.put("other.py", "X = 2\n")
    eventually(lambda: live.status()["state"] == "live", "a writer is back")
    live.agent.kill()
    live.start_agent()
    assert live.run(IMPORT + "; import other; answer = [answer, other.X, execution.source]") == [1, 2, "shm"]
    live.put("shared/halopsa.py", "VERSION = 3\n")
    live.delete("shared/halopsa.py")
    with pytest.raises(WorkerRaised, match="ModuleNotFoundError"):
        live.run(IMPORT)


def restart_without_data(node):
    node.redis.stop()
    shutil.rmtree(node.redis.directory / "appendonlydir")
    node.redis.start()


def restart_with_data(node):
    node.redis.stop()
    node.redis.start()


def flush_while_cut_off(node):
    client = node.redis.client()
    client.client_kill_filter(_type="pubsub")
    client.client_kill_filter(_type="normal", skipme=True)
    client.flushall()


def restart_agent(node):
    node.agent.kill()
    node.start_agent(ready=False)


def go_on(node):
    node.agent.process.send_signal(signal.SIGCONT)


LOSSES = [restart_without_data, flush_while_cut_off]


@pytest.mark.parametrize(("lose", "agent_returns"), [(f, go_on) for f in LOSSES] + [(restart_without_data, restart_agent)])
def test_what_redis_lost_stays_although_a_new_index_is_there_before_the_agent_looks(live, lose, agent_returns):
    live.put("other.py", "X = 1\n")
    live.wait("--fresh")
    live.agent.process.send_signal(signal.SIGSTOP)
    lose(live)
    live.put("other.py", "X = 2\n")
    agent_returns(live)
    eventually(lambda: "event=redis_lost_its_data" in live.agent.log, "the agent notices")
    live.wait("--ready")
    live.wait("--fresh")
    assert kinds(live) == {"shared/halopsa.py": True, "other.py": False}
    assert live.run(IMPORT + "; import other; answer = [answer, other.X, execution.source]") == [1, 2, "shm"]


@pytest.mark.parametrize("agent_returns", [go_on, restart_agent])
def test_what_was_deleted_while_redis_restarted_with_its_data_is_gone(live, agent_returns):
    live.put("other.py", "X = 1\n")
    live.wait("--fresh")
    live.agent.process.send_signal(signal.SIGSTOP)
    restart_with_data(live)
    live.delete("shared/halopsa.py")
    agent_returns(live)
    eventually(lambda: kinds(live) == {"other.py": False}, "the deletion is seen")
    live.wait("--fresh")
    with pytest.raises(WorkerRaised, match="ModuleNotFoundError"):
        live.run(IMPORT)


def test_one_outage_is_one_lost_connection_however_often_the_agent_tries(live):
    live.redis.stop()

    def attempts():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(PATIENCE_S)
            control.connect(str(live.segment_dir / "control.sock"))
            control.sendall(b"state\n")
            return int(re.search(r'"attempts":(\d+)', control.makefile().readline())[1])

    eventually(lambda: attempts() >= 3, "it has tried several times")
    live.redis.start()
    live.wait("--ready")
    assert counters(live)["redis_reconnects_total"] == 1


def test_an_agent_restarted_beside_a_young_redis_takes_a_deletion_for_what_it_is(node):
    """The server started without data and within the same second: only its run id says that nothing was lost."""
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.put("other.py", "X = 1\n")
    node.start_agent()
    node.wait("--fresh")
    node.agent.kill()
    node.delete("shared/halopsa.py")
    node.start_agent()
    node.wait("--fresh")
    assert kinds(node) == {"other.py": False}
    assert "event=redis_lost_its_data" not in node.agent.log


def test_sigterm_during_a_resync_ends_the_agent_at_once(node):
    proxy = FaultProxy(node.redis.socket)
    try:
        node.put("shared/halopsa.py", "VERSION = 1\n")
        node.agent_url = proxy.url
        node.start_agent()
        proxy.delay_s["to_client"] = 0.5
        assert node.cachectl("sync").returncode == 0
        eventually(lambda: counters(node)["resyncs_total"] == 2, "the resync has begun")
        assert node.agent.stop() == 0
        assert node.status()["state"] == "stopped"
        assert node.run(IMPORT + "; answer = [answer, execution.source]") == [1, "redis"]
    finally:
        proxy.close()


def test_an_agent_killed_in_a_loop_leaves_no_files_and_loses_no_module(live):
    for _ in range(10):
        live.agent.kill()
        live.start_agent(ready=False)
    live.wait("--ready")
    assert live.run(IMPORT + "; answer = [answer, execution.source]") == [1, "shm"]
    files = {p.name for p in live.segment_dir.iterdir()}
    assert {name for name in files if not name.startswith("chunk.")} == {"agent.lock", "control.sock", "segment", "workers.counters", "workers.present"}
    # Each agent begins a chunk of its own; what holds only old versions goes.
    assert 0 < len(files) - 5 <= 2, files


def test_no_import_waits_longer_than_its_bound_for_a_redis_that_swallows_everything(live):
    proxy = FaultProxy(live.redis.socket)
    try:
        worker = live.worker(BIFROST_REDIS_URL=proxy.url)
        worker.do("bifrost_cache.begin_execution()")
        live.agent.kill()
        proxy.swallow = True
        begun = time.monotonic()
        for _ in range(5):
            assert worker.do("e = bifrost_cache.begin_execution(); " + IMPORT + "; answer = [answer, e.source]") == \
                [1, "stale"]
            worker.do("try:\n    import not_there\nexcept ImportError: pass")
        # 0.25 s for each begin_execution; the bound here only tells it from a hang.
        assert time.monotonic() - begun < 15
    finally:
        proxy.close()


def test_slow_silent_and_hostile_clients_of_the_control_socket_harm_nobody(live):
    path = str(live.segment_dir / "control.sock")
    clients = []
    for data in [b"", b"fen", b"x" * 100_000, b"\xff\0\n" * 50, b"fence\n" * 200]:
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.setblocking(False)
        try:
            client.send(data)
        except (BlockingIOError, BrokenPipeError):
            pass  # dropped already
        clients.append(client)
    for version in range(2, 20):
        live.put("shared/halopsa.py", f"VERSION = {version}\n")
        assert live.run(IMPORT + "; answer = [answer, execution.source]") == [version, "shm"]
    for client in clients:
        client.close()


def control_clients(node, count, said):
    clients = [socket.socket(socket.AF_UNIX) for _ in range(count)]
    for client in clients:
        client.connect(str(node.segment_dir / "control.sock"))
        with contextlib.suppress(BrokenPipeError):  # sent away already
            client.sendall(said)
    return clients


@pytest.mark.parametrize("said", [b"", b"fen"], ids=["nothing", "half"])
def test_clients_that_ask_nothing_or_half_make_way_for_fences(live, said):
    resource.prlimit(live.agent.process.pid, resource.RLIMIT_NOFILE, (48, 48))
    clients = control_clients(live, 100, said)
    live.put("shared/halopsa.py", "VERSION = 2\n")
    eventually(lambda: live.run(IMPORT + "; answer = [answer, execution.source]") == [2, "shm"], "fences are answered")
    assert counters(live)["control_refused_total"] == 0
    for client in clients:
        client.close()


def test_a_connection_takes_one_request_after_another_and_ends_where_a_client_does_not_wait(live):
    pong = f"ok pid={live.agent.process.pid}\n".encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(live.segment_dir / "control.sock"))
        for part in [b"pi", b"ng", b"\n"]:
            client.sendall(part)
        assert client.recv(100) == pong
        client.sendall(b"ping\n")
        assert client.recv(100) == pong
        client.sendall(b"nonsense\n")
        assert client.recv(100).startswith(b"error unknown request")
        client.sendall(b"ping\nping\n")
        said = b"".join(iter(lambda: client.recv(100), b""))
    assert said == pong


def test_a_warm_up_asks_for_each_value_once_and_for_nothing_else(node):
    many = [f"m{i}.py" for i in range(5000)]  # several pages of names
    node.put_many([(path, f"X = '{path}'\n") for path in many])
    node.redis.client().config_resetstat()
    node.start_agent("--reconcile", "1h", "--lease", "1h")
    calls = {name[8:]: stat["calls"] for name, stat in node.redis.client().info("commandstats").items()}
    assert calls["getrange"] == len(many)
    assert "sismember" not in calls, "a value says that the key is there"
    assert node.status()["modules"] == len(many)


def test_a_sync_without_redis_is_refused_and_nothing_is_pruned_later(node):
    node.put("gone.py", "V = 1\n")
    node.start_agent()
    node.redis.let_expire("bifrost:module:gone.py")
    eventually(lambda: node.status()["retained"] == 1, "it has expired")
    node.redis.stop()
    eventually(lambda: not node.status()["redis"]["connected"], "the agent notices")
    for arguments in ([], ["--prune", "--yes"]):
        asked = node.cachectl("sync", *arguments)
        assert asked.returncode != 0 and b"no working connection to Redis" in asked.stderr
    node.redis.start()
    node.wait("--ready")
    node.wait("--fresh")
    assert node.status()["retained"] == 1


WARNED = """
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    execution = b.begin_execution()
    import m
answer = [m.V, execution.source, b.stats()["stale_serves"] > 0, [str(w.message).partition(".")[0] for w in told]]
"""


def test_what_expired_unseen_by_the_agent_is_told_to_be_stale(node):
    node.put("m.py", "V = 1\n")
    node.start_agent()
    long_lived = node.worker()
    assert long_lived.do(WARNED) == [1, "shm", False, []]
    node.agent.kill()
    eventually(lambda: not node.status()["lease_valid"], "nobody vouches for the mirror")
    node.put("m.py", "V = 2\n")
    node.redis.let_expire("bifrost:module:m.py")
    eventually(lambda: not node.redis.client().exists("bifrost:module:m.py"), "the only copy of the new version is gone")
    stale = [1, "redis", True, ["bifrost: modules are served that may be stale"]]
    assert [long_lived.do(WARNED), node.worker().do(WARNED)] == [stale, stale]


def test_what_another_server_lacks_is_gone_when_somebody_names_it(node):
    node.put("both.py", "V = 'A'\n")
    node.put("first_only.py", "V = 'A'\n")
    node.start_agent()
    node.agent.stop()
    directory = node.directory / "second"
    directory.mkdir()
    second = RedisServer(directory).start()
    try:
        client = second.client()
        for path in ("both.py", "second_only.py"):
            client.setex(f"bifrost:module:{path}", 600, node.value(path, "V = 'B'\n"))
            client.sadd("bifrost:module:index", path)
        node.agent_url = second.url
        node.start_agent()
        node.wait("--fresh")
        listed = node.cachectl("list").stdout.decode()
        assert "both.py" in listed and "second_only.py" in listed and "first_only.py" not in listed
        assert "redis_lost_its_data" not in node.agent.log
    finally:
        second.stop()


def test_a_wrong_url_for_a_while_does_not_hide_that_redis_lost_its_data(node):
    node.put("m.py", "V = 1\n")
    node.start_agent()
    node.agent.stop()
    right, node.agent_url = node.redis.url, f"unix://{node.directory}/nobody.sock"
    node.start_agent(ready=False)
    eventually(lambda: "event=redis_lost" in node.agent.log, "nobody is there")
    node.agent.stop()
    node.redis.stop()
    shutil.rmtree(node.redis.directory / "appendonlydir")
    node.redis.start()
    node.put("other.py", "V = 2\n")  # with an index of its own
    node.agent_url = right
    node.start_agent()
    node.wait("--fresh")
    assert "event=redis_lost_its_data" in node.agent.log
    assert kinds(node) == {"m.py": True, "other.py": False}
