"""Deploys that take more than one command are not seen half done; and errors of the server are not errors of modules."""

import json
import time

import pytest
from harness import PATIENCE_S, eventually
from harness.node import PREFIX

DEPLOYING = PREFIX + "deploying"
BOTH = "from shared import a, b; answer = [a.VERSION, b.VERSION, execution.source, execution.generation]"


def put_both(node, version):
    for name in ("a", "b"):
        node.put(f"shared/{name}.py", f"VERSION = {version}\n")


def follow(node, *arguments):
    put_both(node, 1)
    node.start_agent(*arguments)


def since(node):
    return json.loads(node.cachectl("status", "-o", "json").stdout)["deploying_since"]


def test_half_a_deploy_is_never_seen_and_executions_go_on_with_the_state_before(node):
    follow(node)
    client = node.redis.client()
    before = node.run(BOTH)
    assert before[:3] == [1, 1, "shm"]
    client.set(DEPLOYING, "1", ex=60)
    node.put("shared/a.py", "VERSION = 2\n")
    assert node.run(BOTH) == before, "the same generation, and not from Redis"
    assert since(node)
    assert "deploying" in node.cachectl("status").stdout.decode()
    assert "deploying since" in node.cachectl("top").stdout.decode()
    assert b"a deploy goes on" in node.cachectl("diff").stderr, "which is why they differ"
    assert "executions get the state before" in " ".join(node.cachectl("doctor").stdout.decode().split())
    node.put("shared/b.py", "VERSION = 2\n")
    client.delete(DEPLOYING)
    node.wait("--fresh")
    assert node.run(BOTH)[:3] == [2, 2, "shm"]
    assert since(node) is None


def test_whoever_waits_for_a_fresh_mirror_waits_for_the_end_of_a_deploy(node):
    follow(node)
    client = node.redis.client()
    client.set(DEPLOYING, "1", ex=60)
    node.put("shared/a.py", "VERSION = 2\n")
    waited = node.cachectl("wait", "--fresh", "--timeout", "1s")
    assert waited.returncode == 5 and b"a deploy is going on" in waited.stderr
    worker = node.worker()
    assert "a deploy is going on" in worker.error_of("b.wait_fresh(1)")
    waiting = node.cachectl.start("wait", "--fresh", "--timeout", "30s")
    client.delete(DEPLOYING)
    assert waiting.wait(PATIENCE_S) == 0
    assert worker.ask("b.wait_fresh(30)") > 0
    assert node.run(BOTH)[:2] == [2, 1]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_process_that_has_asked_redis_in_a_deploy_does_not_go_back_to_the_state_before(node, fresh):
    follow(node)
    worker = node.worker()

    def seen():
        return worker.do(f"e = b.begin_execution(fresh={fresh}); from shared import a; answer = [e.source, a.VERSION, e.reason]")

    assert seen()[:2] == ["shm", 1]
    node.redis.client().set(DEPLOYING, "1", ex=60)
    node.put("shared/a.py", "VERSION = 2\n")
    eventually(lambda: since(node), "the agent has seen the deploy")
    node.agent.pause()
    try:
        eventually(lambda: seen()[:2] == ["redis", 2], "the lease is over")
    finally:
        node.agent.resume()
    node.wait("--ready")
    source, version, reason = seen()
    assert (source, version) == ("redis", 2) and "what a deploy holds back" in reason
    worker.do("b.install_virtual_import_hook(precedence='installed')")
    assert seen()[:2] == ["redis", 2], "with other settings it is the same process"
    worker.do("b.remove_virtual_import_hook(); b.install_virtual_import_hook()")
    assert seen()[:2] == ["redis", 2], "with another hook, too"
    assert node.run("from shared import a; answer = a.VERSION") == 1, "a process that has not"
    node.redis.client().delete(DEPLOYING)
    node.wait("--fresh")
    assert seen()[:2] == ["shm", 2]


def test_an_agent_that_starts_during_a_deploy_says_what_it_waits_for(node):
    put_both(node, 1)
    node.redis.client().set(DEPLOYING, "1")
    node.start_agent(ready=False)
    eventually(lambda: (node.status() or {}).get("deploying_since"), "the agent has seen the deploy")
    shown = node.cachectl("status")
    assert shown.returncode == 5
    assert "a deploy is going on" in (words := " ".join(shown.stdout.decode().split()))
    assert "if nobody deploys, delete bifrost:module:deploying" in words and "the state before" not in words
    for what in ("--ready", "--fresh", "--synced"):
        assert b"a deploy is going on" in node.cachectl("wait", what, "--timeout", "200ms").stderr, what
    node.redis.client().delete(DEPLOYING)
    node.wait("--ready")


def test_an_execution_knows_that_a_deploy_is_going_on(node):
    follow(node)
    asking = "answer = [execution.deploying, execution.source]"
    assert node.run(asking) == [False, "shm"]
    node.redis.client().set(DEPLOYING, "1", ex=60)
    eventually(lambda: node.run(asking) == [True, "shm"], "executions are told")
    node.redis.client().delete(DEPLOYING)
    eventually(lambda: node.run(asking) == [False, "shm"], "and told that it is over")


def test_a_deploy_is_not_younger_for_a_connection_that_was_lost(node):
    """Or a key that somebody forgot would hold changes back for ten minutes after each loss."""
    follow(node)
    client = node.redis.client()
    client.set(DEPLOYING, "1")
    eventually(lambda: since(node), "the deploy is noticed")
    before = since(node)
    for kind in ("pubsub", "normal"):
        client.client_kill_filter(_type=kind, skipme=True)
    eventually(lambda: node.agent.log.count("event=synced") == 2, "the agent is back")
    eventually(lambda: since(node), "the deploy goes on")
    assert since(node) == before
    client.delete(DEPLOYING)
    eventually(lambda: since(node) is None, "it is over")


def commands_of_push(node, count):
    """The names of the commands that a push of so many modules sends, and the generations that it makes."""
    directory = node.directory / f"tree{count}"
    directory.mkdir()
    for i in range(count):
        (directory / f"m{i}.py").write_text(f"X = {i}\n")
    before = node.status()["generation"]
    client = node.redis.client()
    with client.monitor() as monitor:
        assert node.cachectl("push", directory).returncode == 0
        client.echo("over")
        sent = []
        while (seen := monitor.next_command())["command"] != "ECHO over":
            words = seen["command"].split()
            if words[0] in ("MULTI", "EXEC", "SETEX", "DEL") and "lua" not in seen["client_type"]:
                sent.append(" ".join(words[:2]) if len(words) > 1 and DEPLOYING in words[1] else words[0])
    node.wait("--fresh")
    return sent, node.status()["generation"] - before


def test_a_push_that_fits_one_transaction_is_one(node):
    node.start_agent()
    sent, generations = commands_of_push(node, 20)
    pushed = [command for command in sent if command == "SETEX" or DEPLOYING in command]
    assert pushed == ["SETEX"] * 20 and "MULTI" in sent
    assert generations == 1


def test_a_larger_push_is_a_deploy_and_is_seen_as_a_whole(node):
    node.start_agent()
    sent, generations = commands_of_push(node, 300)
    pushed = [command for command in sent if command == "SETEX" or DEPLOYING in command]
    assert pushed[0] == f"SETEX {DEPLOYING}" and pushed[-1] == f"DEL {DEPLOYING}"
    assert pushed.count("SETEX") == 300
    assert generations == 1
    assert not node.redis.client().exists(DEPLOYING)


def test_a_deploy_that_died_ends_with_its_key(node):
    follow(node)
    client = node.redis.client()
    client.set(DEPLOYING, "1")
    node.put("shared/a.py", "VERSION = 2\n")
    eventually(lambda: since(node), "the deploy is seen")
    node.redis.let_expire(DEPLOYING)
    eventually(lambda: node.run(BOTH)[:2] == [2, 1], "what there is becomes visible")
    assert since(node) is None


def test_a_deploy_is_waited_for_by_every_signal(node):
    follow(node, "--signal", "tracking")
    client = node.redis.client()
    client.set(DEPLOYING, "1")
    eventually(lambda: since(node), "the deploy is seen")
    node.put("shared/a.py", "VERSION = 2\n")
    assert node.run(BOTH)[:2] == [1, 1]
    client.delete(DEPLOYING)
    eventually(lambda: node.run(BOTH)[:2] == [2, 1], "the deploy is over")


def test_where_fences_decide_the_end_of_a_deploy_is_seen_whole(node):
    names = [f"m{i}" for i in range(40)]  # more than one batch
    importing = "import sys\n" + "".join(f"import {name}\n" for name in names)
    look = importing + f"answer = sorted({{sys.modules[name].VERSION for name in {names!r}}})"
    node.put_many((f"{name}.py", "VERSION = 1\n") for name in names)
    node.start_agent("--signal", "tracking")
    client = node.redis.client()
    for version in range(2, 8):
        client.set(DEPLOYING, "1")
        eventually(lambda: since(node), "the deploy is seen")
        node.put("m0.py", f"VERSION = {version}\n")
        assert node.run("answer = execution.deploying"), "its fence lets the agent hear of the write"
        time.sleep(0.1)  # longer than changes wait for a quiet moment
        pipe = client.pipeline(transaction=False)
        for name in names[1:]:
            pipe.set(PREFIX + name + ".py", node.value(name + ".py", f"VERSION = {version}\n"))
        pipe.delete(DEPLOYING).execute()
        before = [version - 1]
        assert eventually(lambda was=before: (seen := node.run(look)) != was and seen, "the deploy is over") == [version]
    assert json.loads(node.cachectl("stats", "-o", "json").stdout)["counters"]["group_giveups_total"] == 0


def test_an_agent_that_starts_during_a_deploy_waits_for_its_end(node):
    put_both(node, 1)
    client = node.redis.client()
    client.set(DEPLOYING, "1")
    node.start_agent(ready=False)
    eventually(lambda: node.status() and since(node), "the deploy is seen")
    assert not node.status()["ready"]
    client.delete(DEPLOYING)
    node.wait("--ready")
    assert node.run(BOTH)[:3] == [1, 1, "shm"]


def test_a_right_that_is_missing_for_a_while_harms_no_module_and_is_said_once(node):
    client = node.redis.client()
    client.execute_command("ACL", "SETUSER", "agent", "on", ">secret", "~*", "&*", "+@all")
    node.agent_url = f"unix://agent:secret@{node.redis.socket}"
    follow(node)
    client.execute_command("ACL", "SETUSER", "agent", "-getrange")
    node.put("shared/a.py", "VERSION = 2\n")
    eventually(lambda: "NOPERM" in node.agent.log, "the agent says what is refused")
    status = node.status()
    assert (status["modules"], status["not_mirrored"], status["ready"]) == (2, 0, False)
    eventually(lambda: json.loads(node.cachectl("stats", "-o", "json").stdout)["counters"]["server_refusals_total"] >= 3,
               "it tries again")
    lines = [line for line in node.agent.log.splitlines() if "NOPERM" in line]
    assert len(lines) == 1 and str(node.redis.socket) in lines[0], lines
    client.execute_command("ACL", "SETUSER", "agent", "+getrange")
    node.wait("--ready")
    assert node.run(BOTH)[:3] == [2, 1, "shm"]
