"""What happens when messages, requests or values pile up: nothing is lost and nobody is held up."""

import shlex
import signal
import socket

from harness import eventually
from nemesis.proxy import FaultProxy

FENCES = 60
MODULES = 40


def test_a_subscription_that_redis_cut_off_for_its_backlog_is_taken_up_again_and_nothing_is_missed(live):
    client = live.redis.client()
    client.config_set("client-output-buffer-limit", "pubsub 4096 0 0")
    subscribers = len(client.client_list(_type="pubsub"))
    assert subscribers >= 1
    live.agent.process.send_signal(signal.SIGSTOP)  # it reads nothing: what Redis has for it piles up
    version = 0
    for version in range(1, 400):
        live.put_many((f"piled/m{i}.py", f"V = {version}\n") for i in range(MODULES))
        if not client.client_list(_type="pubsub"):
            break
    else:
        raise AssertionError("Redis never cut the subscription off")
    live.agent.process.send_signal(signal.SIGCONT)
    eventually(lambda: "event=redis_lost" in live.agent.log, "the agent notices")
    live.wait("--ready")
    live.wait("--fresh")
    names = ", ".join(f"piled.m{i}" for i in range(MODULES))
    assert live.run(f"import {names}\nanswer = [sorted({{m.V for m in ({names})}}), execution.source]") == [[version], "shm"]


def data_connection(proxy):
    """The number of the agent's connection that is not subscribed: it is opened first."""
    return proxy.accepted - 1


def test_when_more_changes_wait_than_may_the_lease_goes_and_everything_is_read_anew(node):
    proxy = FaultProxy(node.redis.socket)
    try:
        node.put("shared/halopsa.py", "VERSION = 1\n")
        node.agent_url = proxy.url
        node.start_agent("--max-pending", "5000")
        node.wait("--fresh")
        syncs = node.agent.log.count("event=synced")
        proxy.only = data_connection(proxy)
        proxy.held = True
        node.put("shared/halopsa.py", "VERSION = 2\n")
        # Announced one by one, and none is read.
        node.redis.client().eval("for i = 1, 6000 do redis.call('SET', 'bifrost:module:flood/m' .. i .. '.py', '') end", 0)
        eventually(lambda: "more than 5000 changes wait" in node.agent.log, "the agent gives up")
        assert not node.status()["lease_valid"], "no lease although changes were let go"
        node.redis.client().eval("for i = 1, 6000 do redis.call('DEL', 'bifrost:module:flood/m' .. i .. '.py') end", 0)
        node.put("piled.py", "X = 3\n")
        proxy.heal()
        eventually(lambda: node.agent.log.count("event=synced") > syncs, "it synchronises anew")
        node.wait("--fresh")
        assert node.run("import piled; from shared import halopsa; answer = [piled.X, halopsa.VERSION, execution.source]") == \
            [3, 2, "shm"]
    finally:
        proxy.close()


# By what the agent asks for, since how long that takes is the machine's business: bench/freshness/run prints the times.
SCANNED = 1000
PATHS = 128
BATCH_BYTES = 4 << 20


def commands_seen(monitor, until):
    """What MONITOR hears, up to the command that `until` recognises."""
    while True:
        words = shlex.split(monitor.next_command()["command"])
        if until(words):
            return
        yield [w.upper() if i == 0 else w for i, w in enumerate(words)]


def test_a_resync_asks_for_a_bounded_piece_at_a_time(node):
    client = node.redis.client()
    node.put_many((f"many/m{i}.py", f"X = {i}\n") for i in range(3000))
    node.put_many((f"long/m{i}.py", "#" * 1_000_000) for i in range(60))
    node.start_agent("--max-size", "256M")
    node.wait("--fresh")
    with client.monitor() as monitor:
        assert node.cachectl("sync").returncode == 0
        node.wait("--synced")
        client.echo("over")
        read, asked, most_paths, most_bytes = set(), [], 0, 0
        for command, *words in commands_seen(monitor, lambda w: w == ["ECHO", "over"]):
            if command == "SCAN":
                assert int(words[words.index("COUNT") + 1]) <= SCANNED
            elif command == "MULTI":
                asked = []
            elif command in ("GETRANGE", "STRLEN"):
                asked.append(int(words[2]) if command == "GETRANGE" else 0)
                read.add(words[0])
            elif command == "EXEC":
                most_paths, most_bytes = max(most_paths, len(asked)), max(most_bytes, sum(asked))
            else:
                assert command in ("INFO", "CONFIG", "PING", "TYPE", "PTTL", "SISMEMBER", "CLIENT", "PUBLISH", "SSCAN",
                                   "EXISTS"), f"a resync sent {command}"
    assert len(read) == 3060
    assert 1 < most_paths <= PATHS
    # Which batches are transactions, and so counted, goes by the order of Redis' hash table: with 20 of the long ones, one
    # run in some hundreds had none of them there.
    assert 1_000_000 < most_bytes <= BATCH_BYTES + 1_100_000, "a batch holds 4 MiB, or what it began with"


def test_fences_that_are_asked_for_together_share_one_ping(node):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent("--lease", "60s")  # so that the heartbeat's own PINGs are rare
    node.wait("--fresh")

    def pings():
        return node.redis.client().info("commandstats")["cmdstat_ping"]["calls"]

    before = pings()
    node.agent.process.send_signal(signal.SIGSTOP)
    clients = []
    try:
        for _ in range(FENCES):
            clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            clients[-1].settimeout(20)
            clients[-1].connect(str(node.segment_dir / "control.sock"))
            clients[-1].sendall(b"fence\n")
        node.agent.process.send_signal(signal.SIGCONT)
        answers = [c.recv(200) for c in clients]
    finally:
        for c in clients:
            c.close()
    assert all(a.startswith(b"ok generation=") for a in answers), answers
    # They reach the agent in a few turns of its loop, and a PING of its own may come between; not one each.
    assert 1 <= pings() - before <= FENCES / 4
