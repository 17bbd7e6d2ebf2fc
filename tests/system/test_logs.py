"""What the agent prints: two forms, a level that changes under way, repeats, and never a credential."""

import json
import os
import re
import signal
import socket
import subprocess

import pytest
from harness import AGENT, PATIENCE_S, clean_environment, end, eventually
from harness import start as start_program

SECRET = "hunter2-S3cr3t"


def start(*command, **environment):
    return start_program(list(command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**clean_environment(), **environment})


def test_json_lines_are_json_with_the_same_events_as_text(node):
    node.start_agent("--log-format", "json")
    node.agent.stop()
    lines = [json.loads(line) for line in node.agent.log.splitlines()]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"]) for line in lines)
    assert {"published", "subscribed", "synced", "stopped"} <= {line["event"] for line in lines}


def test_an_agent_without_standard_streams_writes_its_log_nowhere(node):
    command = ["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', AGENT, "--redis-url", node.redis.url, "--segment-dir", node.segment_dir]
    agent = start_program(command, env=clean_environment())
    node.wait("--ready")
    assert {target for target in (os.readlink(f"/proc/{agent.pid}/fd/{fd}") for fd in range(3))} == {"/dev/null"}
    assert end(agent) == 0


def test_sighup_changes_the_level_of_the_config_file(node):
    config = node.directory / "bifrost.conf"
    config.write_text("log_level = info\n")
    node.start_agent("--config", config)
    node.put("a.py", "x = 1\n")
    node.wait("--fresh")
    assert "event=commit" not in node.agent.log
    config.write_text("log_level = debug\n")
    node.agent.process.send_signal(signal.SIGHUP)
    eventually(lambda: "event=reloaded log_level=debug" in node.agent.log, "the level is read again")
    node.put("a.py", "x = 2\n")
    node.wait("--fresh")
    eventually(lambda: "event=commit" in node.agent.log, "debug lines appear")
    config.write_text("log_level = loud\n")
    node.agent.process.send_signal(signal.SIGHUP)
    eventually(lambda: "event=reload_failed" in node.agent.log, "a level that does not exist is refused")
    assert node.agent.process.poll() is None


def agent_says(node, url, until=None):
    """What an agent for this URL prints until it ends, or until it has printed `until`."""
    node.agent_url = url
    agent = node.start_agent("--log-level", "debug", ready=False)
    eventually(lambda: agent.process.poll() is not None or (until and until in agent.log), f"{until} or the end")
    agent.stop()
    return agent.log


def test_a_password_in_a_file_stands_in_no_command_line_and_no_log(node):
    node.redis.client().config_set("requirepass", SECRET)
    held = node.directory / "redis-url"
    held.write_text(node.redis.url.replace("unix://", f"unix://:{SECRET}@") + "\n")
    held.chmod(0o600)
    agent = start(AGENT, "--segment-dir", node.segment_dir, BIFROST_REDIS_URL_FILE=held)
    try:
        said = ""
        while "event=synced" not in said:
            assert (line := agent.stderr.readline().decode()), said
            said += line
        command_line = open(f"/proc/{agent.pid}/cmdline").read()
    finally:
        assert end(agent) == 0
    assert SECRET not in said + command_line
    assert "event=password_exposed" not in said


def test_a_password_in_the_command_line_is_warned_of(node):
    url = node.redis.url.replace("unix://", f"unix://:{SECRET}@")
    said = agent_says(node, url, "event=redis_lost")
    assert "event=password_exposed" in said and "--redis-url-file" in said
    assert SECRET not in said


def test_no_credential_is_ever_printed(node):
    printed = agent_says(node, node.redis.url.replace("unix://", f"unix://bob:{SECRET}@"), "event=redis_lost")
    for wrong in (f"redis://bob:{SECRET}@host:notaport/0", f"rediss://bob:{SECRET}@host/0?verify=no", f"http://bob:{SECRET}@h"):
        printed += agent_says(node, wrong)
        for verb in (["diff"], ["doctor", "--settings"], ["status"], ["push", "/tmp"]):
            result = node.cachectl("--redis-url", wrong, *verb)
            printed += result.stdout.decode() + result.stderr.decode()
    assert "WRONGPASS" in printed
    assert SECRET not in printed


@pytest.fixture
def told(node):
    """Waits until the agent of `node` tells its service manager something that begins so, and returns all of it."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(PATIENCE_S)
    manager.bind(str(node.directory / "notify"))

    def wait_for(beginning):
        heard = []
        while not heard or not heard[-1].startswith(beginning):
            heard.append(manager.recv(1000).decode())
            assert len(heard) < 1000, heard
        return heard

    wait_for.socket = manager.getsockname()
    yield wait_for
    manager.close()


def test_start_is_announced_without_redis_too(node, told):
    """A service manager, and an installation, must not hang because Redis is away."""
    node.redis.stop()
    node.start_agent(ready=False, NOTIFY_SOCKET=told.socket)
    told("READY=1\nSTATUS=serving the last known good")


def test_the_service_manager_hears_why_there_is_no_redis_and_when_there_is_again(node, told):
    node.start_agent(ready=False, NOTIFY_SOCKET=told.socket)
    told("READY=1\nSTATUS=mirroring")
    node.redis.stop()
    lost = told("STATUS=no Redis connection, serving the last known good: ")[-1]
    assert lost.endswith("Redis closed the connection")
    node.redis.start()
    assert all(message.startswith("STATUS=no Redis") for message in told("READY=1\nSTATUS=mirroring")[:-1])


def test_paths_of_any_script_are_what_they_are_in_the_log(node):
    path = 'grün/\u6a21\U0001f40d"q.py'
    node.start_agent("--log-format", "json")
    node.redis.client().setex("bifrost:module:" + path, 600, "no JSON")
    event = '"event":"not_mirrored"'
    eventually(lambda: event in node.agent.log, "it is said")
    said = [json.loads(line) for line in node.agent.log.splitlines() if event in line]
    assert said[0]["path"] == path
