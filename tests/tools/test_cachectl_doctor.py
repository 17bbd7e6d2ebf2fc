"""bifrost-cachectl doctor: says what is wrong with a real node, and what to do."""

import os
import sys

import pytest
import redis
from harness import PACKAGE, Cachectl, eventually, running_node


@pytest.fixture
def ctl(segment_dir, redis_url):
    runner = Cachectl(segment_dir, redis_url)
    runner.env["PYTHONPATH"] = str(PACKAGE)
    return runner


def findings(ctl, *arguments, status=0):
    report = ctl.json("doctor", "--python", sys.executable, *arguments, status=status)
    assert report["healthy"] == (status == 0)
    return report["findings"]


def bad(found):
    return {f["part"].split()[0]: f for f in found if f["grade"] == "bad"}


def notes(found):
    return " | ".join(f["what"] for f in found if f["grade"] == "note")


def test_a_healthy_node_is_0_and_has_nothing_bad(ctl, agent):
    found = findings(ctl)
    assert not bad(found)
    good = {f["part"].split()[0] for f in found if f["grade"] == "ok"}
    assert good == {"segment", "mirror", "agent", "redis", "python"}
    text = ctl("doctor", "--python", sys.executable).stdout.decode()
    assert "every command that the agent needs is allowed" in text
    assert text.splitlines()[-1].startswith("0 bad")


def test_every_finding_that_is_bad_says_what_to_do(segment_dir):
    nowhere = Cachectl(f"{segment_dir}/missing", "redis://127.0.0.1:1/0")
    found = nowhere.json("doctor", "--python", "/nonexistent/python", status=5)["findings"]
    assert set(bad(found)) == {"segment", "agent", "redis", "python"}
    assert all(f["advice"] for f in found if f["grade"] == "bad")


def test_a_directory_that_anyone_may_write_to_is_bad(ctl, agent, segment_dir):
    os.chmod(segment_dir, 0o777)
    assert bad(findings(ctl, status=5))["segment"]["advice"] == f"chmod o-w {segment_dir}"


def test_missing_rights_are_named_as_acl_rules(ctl, agent, redis_client, segment_dir, redis_url):
    redis_client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-sismember", "-getrange",
                                 "-strlen")
    poor = Cachectl(segment_dir, redis_url.replace("unix://", "unix://poor:pw@"))
    poor.env["PYTHONPATH"] = ctl.env["PYTHONPATH"]
    advice = bad(findings(poor, status=5))["redis"]["advice"]
    assert "+getrange" in advice and "+strlen" in advice and "+sismember" in advice and "+scan" not in advice
    assert "pw" not in advice


def test_missing_rights_to_keys_are_named_as_such(ctl, agent, redis_client, segment_dir, redis_url):
    redis_client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~bifrost:module:index", "&*", "+@all")
    poor = Cachectl(segment_dir, redis_url.replace("unix://", "unix://poor:pw@"))
    poor.env["PYTHONPATH"] = ctl.env["PYTHONPATH"]
    advice = bad(findings(poor, status=5))["redis"]["advice"]
    assert "%R~bifrost:module:*" in advice and "+getrange" not in advice


def redis_findings(ctl):
    return [f for f in findings(ctl, status=5) if f["part"] == "redis"]


@pytest.mark.parametrize("database", ["", "?db=3"])
def test_a_redis_that_wants_a_password_is_bad_and_nothing_else_is_said_of_it(ctl, agent, redis_client, redis_url, database):
    redis_client.config_set("requirepass", "hunter2")
    ctl.env["BIFROST_REDIS_URL"] = redis_url + database
    (finding,) = redis_findings(ctl)
    assert (finding["grade"], finding["what"]) == ("bad", "Redis asks for a password that redis_url does not have")
    assert "/etc/bifrost/bifrost.conf" in finding["advice"] and "BIFROST_REDIS_URL" in finding["advice"]


def test_a_password_that_redis_does_not_accept_is_bad(ctl, agent, redis_client, redis_url):
    redis_client.config_set("requirepass", "hunter2")
    ctl.env["BIFROST_REDIS_URL"] = redis_url.replace("unix://", "unix://:hunter3@")
    (finding,) = redis_findings(ctl)
    assert "WRONGPASS" in finding["what"] and "which comes from BIFROST_REDIS_URL" in finding["advice"]
    assert "hunter" not in str(finding)


def test_a_redis_that_serves_nobody_is_not_taken_for_missing_rights(ctl, redis_client):
    redis_client.config_set("replica-serve-stale-data", "no")
    redis_client.execute_command("REPLICAOF", "127.0.0.1", "1")
    found = [f for f in redis_findings(ctl) if f["grade"] == "bad"]
    assert "this is a replica that has lost its master" in found[0]["what"]
    assert "could not all be examined: MASTERDOWN" in found[1]["what"]
    assert not any("ACL" in f["advice"] for f in found)


def test_a_redis_that_turns_everybody_away_is_bad_in_its_own_words(ctl, agent, redis_client):
    most = redis_client.config_get("maxclients")["maxclients"]
    redis_client.config_set("maxclients", 1)  # which this client is
    try:
        for _ in range(5):  # whether its words or its hanging up comes first
            told = ctl("doctor").stdout.decode()
            assert "it turns away whoever connects: ERR max number of clients reached" in told
            assert " answers\n" not in told and "ACL SETUSER" not in told, told
            asked = ctl("diff")
            assert b"max number of clients reached" in asked.stderr, asked
    finally:
        redis_client.config_set("maxclients", most)


def test_a_redis_without_memory_is_said_to_refuse_transactions(ctl, redis_client):
    redis_client.config_set("maxmemory", "1")
    try:
        redis_client.pipeline().pttl("a key").execute()
        expected = []  # Redis 8 carries reads out
    except redis.exceptions.ResponseError:
        expected = ["its memory is full (maxmemory)"]
    found = [f for f in redis_findings(ctl) if f["grade"] == "bad"]
    assert [f["what"].partition(":")[0] for f in found] == expected
    assert not any("ACL" in f["advice"] for f in redis_findings(ctl))


def test_a_full_redis_that_evicts_already_is_not_told_to_evict(ctl, redis_client):
    redis_client.config_set("maxmemory-policy", "volatile-lru")
    redis_client.config_set("maxmemory", "1")
    advice = [f["advice"] for f in redis_findings(ctl) if "its memory is full" in f["what"]]
    assert advice in (["raise maxmemory, or delete keys"], [])  # none: Redis 8 carries reads out
    assert "let it evict" not in str(redis_findings(ctl))


def test_an_index_that_is_no_set_is_bad_by_name(ctl, redis_client):
    redis_client.set("bifrost:module:index", "x")
    (found,) = [f for f in redis_findings(ctl) if f["grade"] == "bad"]
    assert "bifrost:module:index is a string and no set" in found["what"] and "DEL bifrost:module:index" in found["advice"]


def test_one_missing_signal_is_only_a_note(ctl, agent, redis_client, segment_dir, redis_url):
    redis_client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&__redis__:invalidate", "+@all")
    poor = Cachectl(segment_dir, redis_url.replace("unix://", "unix://poor:pw@"))
    poor.env["PYTHONPATH"] = ctl.env["PYTHONPATH"]
    assert "some commands of the agent are refused" in notes(findings(poor))


def test_eviction_and_missing_notifications_are_noted(ctl, agent, redis_client):
    redis_client.config_set("maxmemory", "100mb")
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    redis_client.config_set("notify-keyspace-events", "")
    text = notes(findings(ctl))
    assert "maxmemory-policy is allkeys-lru" in text
    assert "notify-keyspace-events is ''" in text


def test_name_collisions_both_ways_are_noted(ctl, stage, redis_client):
    stage.publish({"email/__init__.py": "", "pytest/__init__.py": "", "_solutions/s1/json.py": "", "fine.py": "",
                   "_solutions/s1/redis/x.py": "", "xml/mine.py": ""})
    text = notes(findings(ctl, status=5))  # nobody answers the control socket
    assert "the standard library hides these modules of the workspace: email, json, xml" in text
    assert "the workspace hides these installed packages: pytest |" in text
    # As on disk, whatever the precedence.
    assert "installed packages hide these directories of the workspace, which have no __init__.py: redis" in text
    assert "fine" not in text


def test_an_interpreter_without_the_package_is_bad(ctl, agent):
    del ctl.env["PYTHONPATH"]
    problem = bad(findings(ctl, status=5))["python"]
    assert "cannot import bifrost_cache" in problem["what"]
    assert problem["advice"].startswith("apt install python3-bifrost-cache, or `pip install .`")


def test_an_interpreter_that_does_not_know_its_own_path_has_the_name_that_was_given(ctl, agent):
    """`sys.executable` is empty without a PATH to look in."""
    del ctl.env["PATH"]
    (finding,) = [f for f in ctl.json("doctor")["findings"] if "shares no code" in f["what"]]
    assert finding["advice"].startswith("add python3 to `python` in")


def test_an_interpreter_that_nobody_named_is_only_noted(ctl, agent):
    """As in the agent's container, whose python3 compiles and runs no worker."""
    del ctl.env["PYTHONPATH"]
    ctl.env["BIFROST_AUTOLOAD"] = "1"  # no business of this interpreter
    report = ctl.json("doctor")
    (finding,) = [f for f in report["findings"] if f["part"] == "python python3"]
    assert (finding["grade"], finding["advice"]) == ("note", "name the workers' interpreter: bifrost-cachectl doctor --python EXE")


def test_a_hook_that_does_not_start_is_bad_for_the_workers_interpreter(ctl, agent):
    ctl.env["BIFROST_AUTOLOAD"] = "1"  # the package is on PYTHONPATH only
    assert "bifrost_cache_autoload.pth" in bad(findings(ctl, status=5))["python"]["what"]


@pytest.mark.parametrize("variable", ["BIFROST_AUTOLOAD", "BIFROST_DISABLE"])
def test_a_switch_of_the_workers_that_is_neither_on_nor_off_is_bad(ctl, agent, variable):
    ctl.env[variable] = "true"
    assert f"{variable}=true" in bad(findings(ctl, status=5))["python"]["what"]


def test_an_interpreter_for_which_the_agent_compiles_nothing_is_noted(ctl, redis_node):
    tag = sys.implementation.cache_tag
    for interpreters, grade, what in ([], "note", f"the agent shares no code for {tag}"), (
            ["--python", sys.executable], "ok", f"the agent shares code for {tag}"):
        agent = redis_node.start_agent(*interpreters)
        # An interpreter says its tag when it has started.
        (finding,) = eventually(lambda what=what: [f for f in findings(ctl) if f["what"].startswith(what)], what)
        agent.stop()
        assert finding["grade"] == grade
        assert grade == "ok" or sys.executable in finding["advice"]


def test_an_agent_that_hangs_is_to_be_restarted_and_not_started(ctl, agent):
    agent.pause()
    advice = bad(findings(ctl, status=5))["agent"]["advice"]
    assert advice.startswith("systemctl restart bifrost-agent")


def test_settings_are_shown_with_their_origin_and_without_credentials(ctl, agent, redis_url):
    ctl.env["BIFROST_REDIS_URL"] = "redis://bob:hunter2@127.0.0.1:1/0"
    result = ctl("doctor", "--settings", "--python", sys.executable)
    text = result.stdout.decode() + result.stderr.decode()
    assert "redis_url = redis://127.0.0.1:1/0  # BIFROST_REDIS_URL" in text
    assert "hunter2" not in text


def test_another_database_than_the_agents_is_noted(ctl, agent, redis_url):
    assert "another Redis" not in notes(findings(ctl))
    ctl.env["BIFROST_REDIS_URL"] = redis_url + "?db=1"
    assert f"the agent may use another Redis: {redis_url}" in notes(findings(ctl))


def test_another_server_is_noted_and_another_name_of_the_same_is_not(ctl, agent, redis_url, segment_dir):
    link = segment_dir.parent / "link.sock"
    link.symlink_to(redis_url.removeprefix("unix://"))
    ctl.env["BIFROST_REDIS_URL"] = f"unix://{link}"
    assert "another Redis" not in notes(findings(ctl))
    with running_node() as other:
        ctl.env["BIFROST_REDIS_URL"] = other.redis.url
        assert f"the agent may use another Redis: {redis_url}" in notes(findings(ctl))
