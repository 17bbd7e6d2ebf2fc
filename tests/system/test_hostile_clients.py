"""Whoever can reach the agent's doors sends it anything at all; those who ask properly are answered meanwhile, and nothing of it
stays: no descriptor, no memory.

BIFROST_HOSTILE_SECONDS=600 goes on for ten minutes at each door; BIFROST_HOSTILE_AGENT names another agent, such as one
built with AddressSanitizer.
"""

import contextlib
import multiprocessing
import os
import random
import resource
import socket
import time

import pytest
from harness import eventually
from harness.places import AGENT
from http_client import address_of, get

SECONDS = float(os.environ.get("BIFROST_HOSTILE_SECONDS", "2"))
PROGRAM = os.environ.get("BIFROST_HOSTILE_AGENT", str(AGENT))
CLIENTS = 4
VICTIM = "a file of somebody else"
FORK = multiprocessing.get_context("fork")
# No answer may take longer, however busy the machine: the documented bound of a client that takes its time.
LONGEST_S = 30
MOST_GROWTH_BYTES = 32 << 20

CONTROL_WORDS = [b"fence", b"sync", b"sync prune", b"ping", b"state", b"not_compiled", b"config", b"events 0",
                 b"events 18446744073709551615", b"events -1", b"events", b"fence fence", b"", b" ", b"\0", b"\xff\xfe", b"ok"]
HTTP_WORDS = [b"GET / HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/1.0\r\n\r\n", b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
              b"GET /readyz?x=%00 HTTP/1.1\r\n", b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
              b"GET " + b"/a" * 5000 + b" HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"GET  HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00"]


def something(chance, words, end):
    """Words whole, cut, repeated and spoilt, and noise."""
    kind = chance.random()
    word = chance.choice(words)
    if kind < 0.4:
        return word + end
    if kind < 0.6:
        return word[:chance.randint(0, len(word))]
    if kind < 0.75:
        return (word + end) * chance.randint(2, 200)
    if kind < 0.9:
        return bytes(chance.getrandbits(8) for _ in range(chance.randint(1, 3000))) + end
    return b"x" * chance.randint(500, 200_000) + chance.choice([b"", end])


def pester(connect, words, end, seed, ended):
    chance = random.Random(seed)
    kept = []
    while not ended.is_set():
        try:
            client = connect()
        except OSError:
            continue  # the door is full: that is the agent's right
        client.settimeout(0.02)
        with contextlib.suppress(OSError):
            for _ in range(chance.randint(1, 4)):
                client.sendall(something(chance, words, end))
                if chance.random() < 0.6:
                    client.recv(chance.choice([1, 100, 100_000]))
        if chance.random() < 0.2:
            kept.append(client)  # neither asks nor goes
        else:
            client.close()
        if len(kept) > 20:
            kept.pop(chance.randrange(len(kept))).close()
    for client in kept:
        client.close()


def spoil(directory, seed, ended):
    """The files that workers report to, as a worker that runs anybody's code can spoil them."""
    chance = random.Random(seed)
    while not ended.wait(0.001):
        path = directory / chance.choice(["workers.counters", "workers.present"])
        with contextlib.suppress(OSError):
            kind = chance.randrange(7)
            if kind == 0:
                path.unlink()
            elif kind == 1:
                path.unlink()
                path.symlink_to(directory / VICTIM)
            elif kind == 2:
                path.unlink()
                os.mkfifo(path)
            elif kind == 3:
                path.unlink()
                path.mkdir()
            elif kind == 4:
                path.rmdir()
            else:
                # Not through a link: what that leads to is for others to leave alone. The file may be the pipe as well.
                file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW)
                if kind == 5:
                    os.ftruncate(file, chance.choice([0, 1, 16383, 1 << 40]))
                else:
                    os.write(file, os.urandom(16384))
                os.close(file)


@pytest.fixture
def agent(redis_node):
    redis_node.start_agent("--metrics", "127.0.0.1:0", program=PROGRAM, ASAN_OPTIONS="quarantine_size_mb=8")
    redis_node.put("m.py", "X = 1\n")
    victim = redis_node.segment_dir / VICTIM
    victim.write_text("untouched")
    yield redis_node
    assert victim.read_text() == "untouched"
    status = redis_node.agent.stop()
    assert status == 0, redis_node.agent.log[-3000:]
    assert "Sanitizer" not in redis_node.agent.log


def unix_door(node):
    def connect():
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(1)
        client.connect(str(node.segment_dir / "control.sock"))
        return client
    return connect


def tcp_door(node):
    host, port = address_of(node.agent).rsplit(":", 1)
    return lambda: socket.create_connection((host, int(port)), timeout=1)


def descriptors(node):
    return len(os.listdir(f"/proc/{node.agent.process.pid}/fd"))


def resident_bytes(node):
    with open(f"/proc/{node.agent.process.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def alive(address):
    try:
        return get(address, "/livez")[0] == 200
    except OSError:
        return False


def ask_properly(node, worker):
    """Each of these raises when it is refused or too late."""
    # Who is slower between connect and request than 512 others is dropped for them; three times in a row is an outage.
    assert any(alive(address_of(node.agent)) for _ in range(3))
    worker.do(f"assert b.wait_fresh({LONGEST_S}) > 0")
    worker.do("b.begin_execution(timeout=30); import m; assert m.X == 1")


DOORS = {
    "control": lambda node: [(pester, unix_door(node), CONTROL_WORDS, b"\n")] * CLIENTS,
    "metrics": lambda node: [(pester, tcp_door(node), HTTP_WORDS, b"\r\n\r\n")] * CLIENTS,
    "telemetry": lambda node: [(spoil, node.segment_dir)] * 2,
}


@pytest.mark.parametrize("door", list(DOORS))
def test_those_who_ask_properly_are_served_beside_those_who_do_not(agent, door):
    worker = agent.worker()
    ask_properly(agent, worker)
    before = descriptors(agent)
    ended = FORK.Event()
    attackers = [FORK.Process(target=attack, args=(*arguments, seed, ended), daemon=True)
                 for seed, (attack, *arguments) in enumerate(DOORS[door](agent))]
    for attacker in attackers:
        attacker.start()
    asked, begun, resident = 0, time.monotonic(), None
    try:
        while asked < 10 or time.monotonic() < begun + SECONDS:
            ask_properly(agent, worker)
            asked += 1
            # As many as this at once take what an allocator may keep. From there on it may not become more.
            if resident is None and asked >= 5 and time.monotonic() >= begun + SECONDS / 2:
                resident = resident_bytes(agent)
    finally:
        ended.set()
        for attacker in attackers:
            attacker.join(60)
    eventually(lambda: descriptors(agent) <= before, "no descriptor stays")
    assert resident_bytes(agent) < resident + MOST_GROWTH_BYTES
    print(f"{door}: asked {asked} times")
