"""status, wait, show, list and diff name what is wrong: with a real agent, a real Redis and real interpreters."""

import os
import re
import subprocess
import sys

import pytest
from harness import AGENT, eventually

BROKEN = "def f(:\n    pass\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs mounts")


def problems(node):
    return {p["name"]: p for p in node.status()["problems"]}


def problem(node, name):
    eventually(lambda: name in problems(node), f"status names {name}")
    return problems(node)[name]


# --- sync is no outage ------------------------------------------------------------------------------------------------


def test_a_sync_of_a_healthy_mirror_leaves_it_ready_and_finds_what_went_unnoticed(node):
    node.put_many((f"area{i % 97}/m{i}.py", f"x = {i}\n") for i in range(20_000))
    node.start_agent()
    assert node.cachectl("sync").returncode == 0
    waiting = node.cachectl.start("wait", "--synced", "--timeout", "60s")
    seen = []
    while waiting.poll() is None or not seen:
        seen.append(node.cachectl("status").returncode)
        node.put("live.py", f"n = {len(seen)}\n")
        assert node.cachectl("wait", "--fresh", "--timeout", "5s").returncode == 0
        assert node.cachectl.text("get", "live.py") == f"n = {len(seen)}\n"
    waiting.communicate()
    assert waiting.returncode == 0
    assert set(seen) == {0}
    assert node.agent.log.count("event=synced") == 2


# --- interpreters and modules -----------------------------------------------------------------------------------------


def test_an_interpreter_that_cannot_run_is_named_with_the_reason(node):
    node.start_agent("--python", sys.executable, "--python", "/nonexistent/python3")
    said = problem(node, "interpreter_unusable")
    assert "/nonexistent/python3 cannot be started: no such file" in said["what"]
    assert not said["blocks"]
    assert node.status()["ready"]
    eventually(lambda: int(node.cachectl.json("stats")["counters"]["code_helper_restarts_total"]) >= 3, "some attempts")
    assert node.agent.log.count("event=interpreter_unusable") == 1


def test_an_interpreter_that_does_not_answer_is_named(node, tmp_path):
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec cat > /dev/null\n")
    silent.chmod(0o755)
    node.start_agent("--python", str(silent))
    said = problem(node, "interpreter_unusable")
    assert re.search(f"{silent}: has not answered for 2[0-9] s; it is ended after 180 s", said["what"])
    assert node.status()["ready"]


@as_root
def test_an_interpreter_that_protect_home_hides_is_said_to_be_hidden(node):
    """As systemd does it: an empty directory over /home in a mount namespace of the service's own."""
    hide = "mount -t tmpfs tmpfs /home && exec \"$@\""
    unshare = ["unshare", "--mount", "sh", "-c", hide, "sh"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine gives out no mount namespaces")
    script = node.directory / "hidden-home"
    script.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{hide}' sh {AGENT} \"$@\"\n")
    script.chmod(0o755)
    node.start_agent("--python", "/home/somebody/venv/bin/python3", program=script)
    assert "hides /home: name an interpreter elsewhere" in problem(node, "interpreter_unusable")["advice"]


def test_modules_that_do_not_compile_are_counted_and_explained_until_they_do(node):
    node.put("pkg/__init__.py", "")
    node.put("pkg/broken.py", "x = 1\n" + BROKEN)
    node.put("gone.py", BROKEN)
    node.start_agent("--python", sys.executable)
    eventually(lambda: "2 modules do not compile" in problem(node, "not_compiled")["what"], "both are found")
    shown = node.cachectl.json("show", "pkg/broken.py")
    assert [(f["line"], f["message"]) for f in shown["not_compiled"]] == [(2, "SyntaxError: invalid syntax")]
    assert "pkg/broken.py, line 2: SyntaxError: invalid syntax" in node.cachectl.text("show", "pkg/broken.py")
    assert "line 2: SyntaxError: invalid syntax" in node.cachectl.text("list", "pkg/", "-o", "wide")
    node.delete("gone.py")
    node.put("pkg/broken.py", "x = 1\n")
    node.wait("--fresh")
    eventually(lambda: "not_compiled" not in problems(node), "nothing is left to say")
    assert "not_compiled" not in node.cachectl.json("show", "pkg/broken.py")


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_a_redis_that_is_down_is_named_with_its_address_and_the_reason(node):
    node.put("a.py", "x = 1\n")
    node.start_agent()
    node.redis.stop()
    eventually(lambda: "No such file" in problem(node, "redis_down")["what"], "the reason")
    what = problems(node)["redis_down"]["what"]
    assert node.redis.url in what
    late = node.cachectl("wait", "--fresh", "--timeout", "500ms")
    assert late.returncode == 5
    assert f"no working connection to Redis at {node.redis.url}".encode() in late.stderr
    node.execute("import a; answer = 1")
    assert f"no working connection to Redis at {node.redis.url}" in node.last_stderr
    eventually(lambda: node.agent.log.count("retry_in_ms") >= 1, "a line about it")
    node.redis.start()
    node.wait("--ready")
    lost = [line for line in node.agent.log.splitlines() if "event=redis_lost " in line]
    assert all(f"redis={node.redis.url}" in line for line in lost)
    assert len(lost) == len({line.split("why=")[1].split(" retry")[0] for line in lost}), "each reason once"
    assert node.agent.log.count("event=redis_back") == 1


def test_a_diff_against_an_empty_redis_is_not_identical(node):
    node.put("a.py", "x = 1\n")
    node.start_agent()
    node.wait("--fresh")
    node.redis.client().flushall()
    eventually(lambda: node.status()["state"] == "cold", "the loss is noticed")
    assert node.cachectl.json("diff", status=6)["identical"] is False
    assert "none of these modules" in node.cachectl.text("diff", status=6)
    assert node.cachectl("sync", "--prune", "--yes").returncode == 0
    node.wait("--synced")
    node.wait("--fresh")
    assert "both are empty" in node.cachectl.text("diff")


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:99999/0", "redis://localhost/x"])
def test_a_wrong_url_is_2_in_both_programs(node, url):
    node.start_agent()
    agent = subprocess.run([AGENT, "--redis-url", url, "--segment-dir", node.directory / "other"], capture_output=True,
                           timeout=30)
    assert (agent.returncode, b"redis_url (from --redis-url)" in agent.stderr) == (2, True)
    for verb in (["diff"], ["push", node.segment_dir]):
        done = node.cachectl(*verb, "--redis-url", url)
        assert (done.returncode, b"redis_url (from --redis-url)" in done.stderr) == (2, True), verb


# --- the agent --------------------------------------------------------------------------------------------------------


def test_an_agent_that_was_killed_is_named_as_soon_as_its_lease_has_lapsed(node):
    node.start_agent()
    node.agent.kill()
    first = eventually(lambda: node.status()["problems"], "the lease lapses")[0]
    assert first["name"] == "agent_silent" and "systemctl restart" in first["advice"]


# --- the control socket -----------------------------------------------------------------------------------------------


def test_a_control_socket_that_is_missing_is_named(node):
    node.start_agent()
    node.agent.pause()
    try:
        (node.segment_dir / "control.sock").unlink()
        assert problem(node, "no_control_socket")["blocks"]
        assert node.cachectl("status").returncode == 5
    finally:
        node.agent.resume()
    eventually(lambda: node.status()["problems"] == [], "the agent puts it back")


@pytest.mark.parametrize("end", ["kill", "pause"])
def test_a_lease_that_outlives_its_agent_is_no_health(node, end):
    node.start_agent("--lease", "1h")
    getattr(node.agent, end)()
    status = eventually(lambda: (found := node.status()) and not found["ready"] and found, "status asks the agent")
    assert status["problems"][0]["name"] == "agent_silent" and status["lease_valid"]
