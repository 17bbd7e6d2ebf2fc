"""What happens when messages, requests or values pile up: nothing is lost and nobody is held up."""

import signal
import socket

from node import eventually

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
        pipe = client.pipeline(transaction=False)
        for i in range(MODULES):
            pipe.setex(f"bifrost:module:piled/m{i}.py", 86400, live.value("p", f"V = {version}\n"))
            pipe.sadd("bifrost:module:index", f"piled/m{i}.py")
        pipe.execute()
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


def test_fences_that_are_asked_for_together_share_one_ping(node):
    node.publish("shared/halopsa.py", "VERSION = 1\n")
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
