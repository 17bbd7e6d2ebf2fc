"""bifrost-cachectl status, wait, stats, sync, version, help: what operators and scripts rely on."""

import json
import os
import signal
import struct
import subprocess
import threading

import pytest
from harness import PATIENCE_S, Cachectl, directory_for_everybody, eventually
from terminal import run_on_terminal

STATUS_KEYS = {"schema", "state", "ready", "complete", "generation", "synced_age_ms", "lease_valid", "modules", "redis",
               "memory", "code", "agent"}
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to act as two users")


def poke(path, offset, word):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<Q", word))


# --- status ---------------------------------------------------------------------------------------------------------


def test_status_of_a_live_mirror_is_0_and_has_every_promised_key(cachectl, stage):
    stage.publish({"a.py": "x = 1\n", "pkg/__init__.py": ""})
    status = cachectl.json("status")
    assert STATUS_KEYS <= status.keys()
    assert (status["schema"], status["state"], status["ready"], status["complete"]) == (1, "live", True, True)
    assert (status["generation"], status["modules"], status["lease_valid"]) == (1, 2, True)
    assert 0 <= status["synced_age_ms"] < 60_000
    assert status["redis"] == {"connected": True, "url": "redis://localhost:6379/0", "signal": "both",
                               "cuts": "unknown", "run_id": ""}
    assert status["deploying_since"] is None
    assert status["memory"].keys() == {"size", "max", "used", "reclaimable", "code", "chunks"}
    assert 0 < status["memory"]["used"] <= status["memory"]["size"] <= status["memory"]["max"]
    assert status["code"] == {}
    assert {"pid", "version", "started"} <= status["agent"].keys()
    assert status["agent"]["version"] == "9.9.9"
    assert status["agent"]["started"] == "2023-11-14T22:13:20Z"
    assert status["problems"] == []


def test_status_is_what_no_verb_means(cachectl, stage):
    stage.publish({"a.py": ""})
    assert cachectl().stdout.splitlines()[0] == b"state       live, ready"
    assert cachectl("-o", "json").returncode == 0


def test_status_says_first_what_is_wrong_and_what_to_do(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(lease_ms=-1)
    stage.tell(state="syncing", connected=False, complete=False)
    result = cachectl("status")
    assert result.returncode == 5
    first, second = result.stdout.decode().splitlines()[:2]
    assert first == "NOT READY  the agent has no working connection to Redis at redis://localhost:6379/0"
    assert second.strip().startswith("journalctl -u bifrost-agent")
    status = cachectl.json("status", status=5)
    assert (status["state"], status["ready"], status["redis"]["connected"]) == ("stale", False, False)


def test_status_fits_one_screen(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(not_mirrored="b.py", reason="not JSON", commit=True)
    stage.tell(lease_ms=-1)
    stage.tell(state="cold")
    for form in ("table", "wide"):
        assert len(cachectl("status", "-o", form).stdout.splitlines()) <= 24


@pytest.mark.parametrize(
    ("told", "state"),
    [({"state": "starting", "complete": False}, "starting"), ({"state": "syncing", "complete": False}, "syncing"),
     ({"state": "stopped", "connected": False, "complete": False}, "stopped"), ({"state": "live"}, "stale"),
     ({"state": "live", "heartbeat_ms_ago": 60_000}, "stale")])
def test_status_without_a_lease_is_5(cachectl, stage, told, state):
    stage.publish({"a.py": ""})
    stage.tell(lease_ms=-1)
    stage.tell(**told)
    status = cachectl.json("status", status=5)
    assert (status["state"], status["ready"], status["lease_valid"]) == (state, False, False)
    assert status["problems"]


@pytest.mark.parametrize("state", ["degraded", "cold"])
def test_status_of_a_mirror_with_a_lease_is_0_although_there_is_something_to_do(cachectl, stage, state):
    stage.publish({"a.py": ""})
    stage.tell(state=state)
    status = cachectl.json("status")
    assert (status["state"], status["ready"]) == (state, True)
    assert status["problems"]


def test_status_that_was_never_in_sync_has_no_age(cachectl, stage):
    stage.tell(commit=True)
    stage.tell(state="starting", complete=False)
    assert cachectl.json("status", status=5)["synced_age_ms"] is None


def test_no_segment_is_3(cachectl, segment_dir):
    result = cachectl("status")
    assert (result.returncode, result.stdout) == (3, b"")
    assert f"{segment_dir}/segment does not exist: start bifrost-agent" in result.stderr.decode()


def test_a_missing_directory_is_3(cachectl, segment_dir):
    assert cachectl("--segment-dir", f"{segment_dir}/elsewhere", "status").returncode == 3


# --- segments that must be refused ----------------------------------------------------------------------------------


def test_another_layout_version_is_7(cachectl, stage):
    stage.publish({"a.py": ""})
    poke(stage.segment, 8, 999)
    result = cachectl("status")
    assert result.returncode == 7
    assert b"layout version 999" in result.stderr


def test_a_file_that_others_may_write_is_7(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.segment.chmod(0o666)
    for verb in (["status"], ["list"], ["get", "a.py"], ["show", "a.py"], ["exists", "a.py"], ["verify"], ["stats"]):
        result = cachectl(*verb)
        assert (result.returncode, result.stdout) == (7, b""), verb
        assert b"writable by group or others" in result.stderr


def test_a_symbolic_link_is_7(cachectl, stage):
    stage.publish({"a.py": ""})
    moved = stage.directory / "moved"
    stage.segment.rename(moved)
    stage.segment.symlink_to(moved)
    assert cachectl("status").returncode == 7


@as_root
def test_the_file_of_a_stranger_is_7_unless_it_is_the_agents_user(cachectl, stage):
    stage.publish({"a.py": ""})
    os.chown(stage.segment, NOBODY, NOBODY)
    assert cachectl("status").returncode == 7
    assert cachectl("--agent-uid", str(NOBODY), "status").returncode == 0
    assert cachectl("--agent-uid", "nobody", "status").returncode == 0
    assert cachectl("--agent-uid", "no-such-user", "status").returncode == 1


@pytest.fixture
def as_nobody(cachectl, bare_node):
    """Runs the tool as a user who may enter the segment's directory, but not the clone."""
    bare_node.directory.chmod(0o755)
    with directory_for_everybody(cachectl.program) as programs:
        cachectl.program = programs / cachectl.program.name
        yield lambda *arguments: cachectl(*arguments, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")


@as_root
def test_a_file_that_may_not_be_read_is_7(stage, as_nobody):
    stage.publish({"a.py": ""})
    for mode, status in ((0o644, 0), (0o600, 7)):
        stage.segment.chmod(mode)
        assert as_nobody("status").returncode == status


def test_a_truncated_file_is_6(cachectl, stage):
    stage.publish({"a.py": ""})
    whole = stage.segment.read_bytes()
    stage.segment.unlink()
    for size in (0, 10, 4096, len(whole) - 4096):
        stage.segment.write_bytes(whole[:size])
        stage.segment.chmod(0o644)
        assert cachectl("status").returncode == 6, size


def test_a_fifo_in_place_of_the_segment_does_not_hang(cachectl, segment_dir):
    os.mkfifo(segment_dir / "segment", 0o600)
    assert cachectl("status", timeout=5).returncode == 7


# --- wait -----------------------------------------------------------------------------------------------------------


def test_wait_ready_is_0_at_once_when_ready(cachectl, stage):
    stage.publish({"a.py": ""})
    answer = cachectl.json("wait", "--ready")
    assert answer["generation"] == 1
    assert answer["waited_ms"] < 1000


def test_wait_ready_notices_that_it_became_ready(cachectl, stage):
    waiting = cachectl.start("wait", "--ready", "--timeout", f"{PATIENCE_S:.0f}s")
    stage.publish({"a.py": ""})
    out, _ = waiting.communicate(timeout=PATIENCE_S)
    assert waiting.returncode == 0
    assert out.startswith(b"generation 1 after ")


@pytest.mark.parametrize("condition", [["--ready"], ["--generation", "99"], ["--fresh"]])
def test_wait_that_runs_out_of_time_is_5_and_says_why(cachectl, stage, condition):
    stage.publish({"a.py": ""})
    stage.tell(lease_ms=-1)
    result = cachectl("wait", *condition, "--timeout", "50ms")
    assert (result.returncode, result.stdout) == (5, b"")
    assert result.stderr.startswith(b"bifrost-cachectl: gave up after 50ms: ")


def test_wait_says_what_is_missing_at_the_end_not_at_the_start(cachectl, stage):
    waiting = cachectl.start("wait", "--generation", "99", "--timeout", "3s", stderr=subprocess.PIPE)
    stage.publish({"a.py": ""})
    _, said = waiting.communicate(timeout=PATIENCE_S)
    assert said == b"bifrost-cachectl: gave up after 3s: the mirror is at generation 1\n"


def test_wait_without_a_segment_is_5(cachectl):
    assert cachectl("wait", "--ready", "--timeout", "20ms").returncode == 5


def test_wait_for_a_segment_of_another_layout_is_7(cachectl, stage):
    stage.publish({"a.py": ""})
    poke(stage.segment, 8, 999)
    assert cachectl("wait", "--ready", "--timeout", "20ms").returncode == 7


def test_wait_for_a_generation(cachectl, stage):
    stage.publish({"a.py": ""})
    assert cachectl("wait", "--generation", "1").returncode == 0
    timer = threading.Timer(0.05, lambda: stage.publish({"a.py": "x = 2"}))
    timer.start()
    assert cachectl.json("wait", "--generation", "2", "--timeout", f"{PATIENCE_S:.0f}s")["generation"] == 2
    timer.join()


# --- stats, version, help, usage ------------------------------------------------------------------------------------


def test_stats_name_every_counter_with_unit_and_meaning(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(count=0, by=42)
    stats = cachectl.json("stats")
    assert (stats["schema"], stats["counters"]["events_total"]) == (1, 42)
    lines = cachectl("stats").stdout.decode().splitlines()
    assert lines[0].split() == ["COUNTER", "VALUE", "UNIT", "MEANING"]
    assert any(line.split()[:3] == ["events_total", "42", "events"] for line in lines)
    assert len(lines) == len(stats["counters"]) + 1


def test_version_needs_no_segment(cachectl):
    assert cachectl("version").stdout.decode().startswith("bifrost-cachectl ")
    version = cachectl.json("version")
    assert version["schema"] == 1
    assert version["layout_version"] >= 1
    assert cachectl("--version").returncode == 0


def test_help_lists_the_verbs_and_their_options(cachectl):
    text = cachectl("help").stdout.decode()
    for verb in ("status", "list", "show", "get", "exists", "verify", "push", "wait", "stats", "sync", "version"):
        assert f"\n  {verb} " in text
        assert cachectl("help", verb).returncode == 0
    assert "--dry-run" in cachectl("help", "push").stdout.decode()
    assert cachectl("--help").stdout.decode() == text
    assert cachectl("help", "nonsense").returncode == 2


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["doctor", "x"], ["diff", "a", "b"], ["completion"], ["-o", "yaml"], ["list", "a", "b"],
    ["show"], ["get"], ["exists"], ["push"], ["push", ".", "--ttl", "0"], ["push", ".", "--ttl", "soon"], ["wait"],
    ["wait", "--ready", "--fresh"], ["wait", "--ready", "--timeout", "10"], ["wait", "--generation", "-1"],
    ["wait", "--generation", "9" * 30], ["get", "a.py", "--generation", "-1"], ["show", "a.py", "--generation", "9" * 20],
    ["status", "--unknown"]])
def test_wrong_usage_is_2_with_one_line_on_stderr(cachectl, arguments):
    result = cachectl(*arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"bifrost-cachectl: ")
    assert result.stderr.count(b"\n") == 1


def test_the_output_format_may_stand_before_or_after_the_verb(cachectl, stage):
    stage.publish({"a.py": ""})
    assert json.loads(cachectl("-o", "json", "list").stdout) == json.loads(cachectl("list", "-o", "json").stdout)
    assert cachectl("--output=wide", "list").stdout == cachectl("list", "-owide").stdout


def test_flags_win_over_variables(cachectl, stage, tmp_path):
    stage.publish({"a.py": ""})
    cachectl.env["BIFROST_SEGMENT_DIR"] = str(tmp_path / "elsewhere")
    assert cachectl("status").returncode == 3
    assert cachectl("status", "--segment-dir", stage.directory).returncode == 0


def test_a_config_file_is_read_and_its_mistakes_are_usage(cachectl, stage, tmp_path):
    stage.publish({"a.py": ""})
    del cachectl.env["BIFROST_SEGMENT_DIR"]
    config = tmp_path / "bifrost.conf"
    config.write_text(f"# comment\nsegment_dir = {stage.directory}\n")
    assert cachectl("--config", config, "status").returncode == 0
    config.write_text("no_such_setting = 1\n")
    assert cachectl("--config", config, "status").returncode == 2


# --- streams --------------------------------------------------------------------------------------------------------


def test_a_reader_that_leaves_early_causes_no_message(cachectl, stage):
    stage.publish({f"m{i}.py": "" for i in range(4000)})
    for verb in ("list", "list -o json"):
        process = cachectl.start(*verb.split(), stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(PATIENCE_S) in (0, -signal.SIGPIPE)


def test_an_answer_that_cannot_be_written_is_an_error(cachectl, stage):
    stage.publish({"a.py": "x = 1"})
    with open("/dev/full", "wb") as full:
        result = cachectl("get", "a.py", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert b"cannot write" in result.stderr


def test_status_says_that_the_mirror_is_not_complete(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(not_mirrored="big.py", reason="no room", commit=True)
    assert "complete" not in cachectl("status").stdout.decode()
    stage.tell(state="degraded", complete=False)
    text = " ".join(cachectl("status").stdout.decode().split())
    assert "so the mirror is not complete, and workers ask Redis for whatever they do not find" in text
    assert "at least 1 module is not mirrored" in text
    assert "modules 1 mirrored, at least 1 not mirrored, 0 retained; the mirror is not complete" in text


def test_closed_standard_streams_do_no_harm(cachectl, stage):
    stage.publish({"a.py": "x = 1"})
    command = f"exec {cachectl.program} status <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], env=cachectl.env, timeout=20).returncode == 0


def run_on_a_terminal(cachectl, *arguments, **env):
    """The bytes that a terminal would get."""
    return run_on_terminal([cachectl.program, *arguments], {**cachectl.env, **env})[1]


def test_colours_only_on_a_terminal_that_wants_them(cachectl, stage):
    stage.publish({"a.py": ""})
    assert b"\x1b" not in cachectl("status").stdout
    assert b"\x1b[32mlive" in run_on_a_terminal(cachectl, "status", TERM="xterm")
    assert b"\x1b" in run_on_a_terminal(cachectl, "status", TERM="xterm", NO_COLOR="")
    assert b"\x1b" not in run_on_a_terminal(cachectl, "status", TERM="xterm", NO_COLOR="1")
    assert b"\x1b" not in run_on_a_terminal(cachectl, "status", TERM="dumb")


def test_push_draws_a_progress_bar_on_a_terminal_only(cachectl, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text("")
    assert b"\r" not in cachectl("push", tmp_path / "tree", "--dry-run").stderr
    assert b"push [####" in run_on_a_terminal(cachectl, "push", tmp_path / "tree", "--dry-run")


# --- with the real agent --------------------------------------------------------------------------------------------


def test_diff_draws_a_progress_bar_on_a_terminal_only(segment_dir, redis_url, redis_client, agent):
    ctl = Cachectl(segment_dir, redis_url)
    redis_client.setex("bifrost:module:a.py", 86400, json.dumps({"content": "", "path": "a.py", "hash": ""}))
    assert ctl("wait", "--fresh").returncode == 0
    assert ctl("diff").stderr == b""
    assert b"diff [####" in run_on_a_terminal(ctl, "diff")


def test_wait_fresh_holds_every_write_acknowledged_before_it(cachectl, agent, redis_client):
    for version in range(50):
        redis_client.setex("bifrost:module:a.py", 86400, json.dumps({"content": f"v = {version}", "path": "", "hash": ""}))
        assert cachectl("wait", "--fresh").returncode == 0
        assert cachectl("get", "a.py").stdout == f"v = {version}".encode()


def test_sync_is_accepted_by_the_agent(cachectl, agent):
    before = cachectl.json("stats")["counters"]["resyncs_total"]
    assert cachectl("sync").returncode == 0
    eventually(lambda: cachectl.json("stats")["counters"]["resyncs_total"] > before, "a full synchronisation")
    assert cachectl.json("sync", "--prune", "--yes")["prune"] is True


def test_sync_without_an_agent_is_3(cachectl, segment_dir):
    result = cachectl("sync")
    assert result.returncode == 3
    assert b"is bifrost-agent running?" in result.stderr


def test_sync_after_the_agent_was_killed_is_3(cachectl, agent):
    agent.kill()
    assert cachectl("sync").returncode == 3


@as_root
def test_sync_is_refused_to_other_users_with_7(agent, segment_dir, as_nobody):
    (segment_dir / "control.sock").chmod(0o666)
    assert as_nobody("sync").returncode == 7


def test_status_follows_the_agents_life(cachectl, agent, redis_client):
    status = cachectl.json("status")
    assert (status["state"], status["ready"], status["redis"]["connected"]) == ("live", True, True)
    assert status["agent"]["pid"] == agent.process.pid
    agent.kill()
    eventually(lambda: cachectl("status").returncode == 5, "the lease lapses")
    assert cachectl.json("status", status=5)["state"] == "stale"


def test_status_of_an_agent_that_was_stopped_is_stopped(cachectl, agent):
    assert agent.stop() == 0
    assert cachectl.json("status", status=5)["state"] == "stopped"
