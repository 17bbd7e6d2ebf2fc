"""What workers report about themselves: counted, shown, and harmless whatever they write."""

import json
import os
import struct

import pytest
from http_client import address_of, get, samples

FILE = "workers.counters"


def reported(node):
    return json.loads(node.cachectl("stats", "-o", "json").stdout)["workers"]


def test_a_worker_that_ends_has_reported_what_it_counted(live):
    assert reported(live)["executions"] == 0
    live.run("from shared import halopsa; answer = bifrost_cache.stats()")
    workers = reported(live)
    assert workers["executions"] == 1
    assert workers["hits"] >= 2  # shared, shared.halopsa
    assert workers["fallbacks"] == workers["stale_serves"] == 0
    live.run("import shared.halopsa")
    assert reported(live)["executions"] == 2


def test_stale_serves_show_while_redis_is_away(live):
    live.redis.stop()
    live.run("from shared import halopsa; answer = halopsa.VERSION")
    assert reported(live)["stale_serves"] >= 1


def test_many_workers_at_once_lose_nothing(live):
    workers = [live.worker() for _ in range(12)]
    for worker in workers:
        worker.do("bifrost_cache.begin_execution(); import shared.halopsa")
    for worker in workers:
        worker.close()
    live.workers.clear()
    assert reported(live)["executions"] == 12


def test_metrics_show_the_workers(node):
    node.put("shared/halopsa.py", "")
    node.start_agent("--metrics", "127.0.0.1:0")
    node.run("import shared.halopsa")
    page = samples(get(address_of(node.agent), "/metrics")[2])
    assert page["bifrost_worker_executions_total"][""] == 1
    assert page["bifrost_worker_hits_total"][""] >= 2


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_off_by_a_switch(node, who):
    node.put("shared/halopsa.py", "")
    node.start_agent(*(["--telemetry", "off"] if who == "agent" else []))
    node.run("import shared.halopsa", **({"BIFROST_TELEMETRY": "off"} if who == "worker" else {}))
    if who == "agent":
        assert not (node.segment_dir / FILE).exists()
        assert reported(node) is None
    else:
        assert reported(node)["executions"] == 0


@pytest.mark.parametrize("damage", ["noise", "short", "empty", "long", "link", "fifo", "missing", "directory"])
def test_whatever_is_there_imports_and_tools_go_on(node, damage):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent("--metrics", "127.0.0.1:0")
    file = node.segment_dir / FILE
    good = file.stat()
    if damage == "noise":
        file.write_bytes(os.urandom(good.st_size))
    elif damage == "long":
        with file.open("ab") as it:
            it.write(b"x" * 4096)
    elif damage in ("short", "empty"):
        os.truncate(file, 100 if damage == "short" else 0)
    else:
        file.unlink()
        if damage == "link":
            file.symlink_to(node.segment_dir / "segment")
        elif damage == "fifo":
            os.mkfifo(file)
        elif damage == "directory":
            file.mkdir()
    before = file.read_bytes() if damage == "link" else None
    assert node.run("from shared import halopsa; answer = halopsa.VERSION") == 1
    assert node.cachectl("stats").returncode == node.cachectl("status").returncode == 0
    assert get(address_of(node.agent), "/metrics")[0] == 200
    if damage == "noise":
        assert reported(node) is not None  # numbers, whichever
    else:
        assert reported(node) is None
    if before is not None:
        assert node.cachectl("verify").returncode == 0


def test_a_worker_that_holds_every_shard_keeps_nobody_waiting(live):
    import fcntl

    with open(live.segment_dir / FILE, "r+b") as file:
        # An open file description's lock on the whole file: struct flock with l_type F_WRLCK.
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        assert live.run("from shared import halopsa; answer = halopsa.VERSION") == 1
    assert reported(live)["executions"] == 0


def test_the_file_is_not_the_segment_and_workers_of_the_group_may_write_it(live):
    assert (live.segment_dir / FILE).stat().st_mode & 0o7777 == 0o660
    assert (live.segment_dir / "segment").stat().st_mode & 0o022 == 0
