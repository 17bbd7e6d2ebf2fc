"""events and config: the running agent tells what it does and by which settings. Protocol: docs/control-protocol.md."""

import json
import re
import select
import socket
import sys

from harness import PATIENCE_S, REPOSITORY, eventually

PROTOCOL = (REPOSITORY / "docs" / "control-protocol.md").read_text(encoding="utf-8")


def ask(node, request):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(node.segment_dir / "control.sock"))
        client.sendall(request.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += client.recv(65536)
        return answer.decode("ascii").rstrip("\n")


def test_config_shows_what_the_agent_goes_by(node):
    config = node.directory / "bifrost.conf"
    config.write_text("# ours\nreconcile = 30s\n")
    node.start_agent("--lease", "2s", "--config", config, BIFROST_HISTORY="5m")
    settings = node.cachectl.json("config")["settings"]
    assert settings["lease"] == {"value": "2s", "origin": "--lease"}
    assert settings["reconcile"] == {"value": "30s", "origin": f"{config}:2"}
    assert settings["history"] == {"value": "5m", "origin": "BIFROST_HISTORY"}
    assert settings["signal"] == {"value": "auto", "origin": "default"}
    assert re.search(r"^lease +2s +--lease$", node.cachectl.text("config"), re.MULTILINE)


def test_config_shows_no_password(node):
    node.redis.client().config_set("requirepass", "hunter2-S3cr3t")
    node.agent_url = node.redis.url.replace("unix://", "unix://:hunter2-S3cr3t@")
    node.start_agent(ready=False)
    eventually(lambda: node.cachectl("config").returncode == 0, "the agent answers")
    for request in ("config", "state", "events 0"):
        assert "hunter2" not in ask(node, request)


def test_config_and_events_without_an_agent_are_3(bare_node):
    for verb in ("config", "events"):
        assert bare_node.cachectl(verb).returncode == 3, verb


def test_events_tell_what_happened_and_follow_what_happens(node):
    node.start_agent("--python", sys.executable, "--log-level", "error")
    names = [json.loads(line)["event"] for line in node.cachectl.text("events", "-o", "json").splitlines()]
    assert names.index("subscribed") < names.index("synced")
    following = node.cachectl.start("events", "--follow", "--limit", "1")
    seen = ""

    def hears(text):
        nonlocal seen
        while text not in seen:
            assert select.select([following.stdout], [], [], PATIENCE_S)[0], f"no {text!r} in {seen!r}"
            seen += following.stdout.read1(65536).decode()

    try:
        hears("synced")  # now it follows
        node.put("broken.py", "def f(:\n")
        hears("commit generation=")
        hears("not_compiled path=broken.py")
        assert "line=1 why=SyntaxError: invalid syntax" in seen
        node.put_raw("bad.py", "not json")
        hears("not_mirrored path=bad.py")
        assert "subscribed" not in seen, "--limit 1 begins with the last one before"
    finally:
        following.terminate()
        following.communicate()


def test_events_of_an_agent_that_was_restarted_begin_anew(node):
    node.start_agent()
    newest = json.loads(ask(node, "events 0")[3:])["newest"]
    answer = json.loads(ask(node, f"events {newest + 1000}")[3:])
    assert len(answer["events"]) == newest


def test_each_request_of_the_protocol_is_answered_as_documented(node):
    node.put("broken.py", "def f(:\n")
    node.start_agent("--python", sys.executable)
    eventually(lambda: json.loads(ask(node, "state")[3:])["not_compiled"]["modules"] == 1, "it does not compile")
    requests = {r.split(" N")[0] for r in re.findall(r"^\| `([a-z_ N]+)` \|", PROTOCOL, re.MULTILINE)} & {
        "fence", "sync", "sync prune", "ping", "state", "not_compiled", "config", "events"}
    assert len(requests) == 8
    for request in requests:
        assert ask(node, "events 0" if request == "events" else request).startswith("ok"), request
    documented = {}
    state = PROTOCOL.split("`state`:")[1].split("`not_compiled` has")[0]
    for name in re.findall(r"^\| `(\w+)` \|", state, re.MULTILINE):
        documented[name] = True
    assert set(documented) == set(json.loads(ask(node, "state")[3:]))
    assert set(json.loads(ask(node, "not_compiled")[3:])["failures"][0]) == {"path", "tag", "line", "message"}
    for wrong in ("nonsense", "events", "events x", "events -1", "x" * 600):
        assert ask(node, wrong).startswith("error "), wrong


def test_wait_that_runs_out_of_time_names_the_redis_that_does_not_answer(node):
    node.start_agent()
    node.redis.pause()
    late = node.cachectl("wait", "--fresh", "--timeout", "2s")
    node.redis.resume()
    assert late.returncode == 5
    assert b"gave up after 2s: Redis has not confirmed the mirror within its lease" in late.stderr
