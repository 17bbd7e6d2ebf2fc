"""How the agent hears of changes, and what it does when a signal is refused, taken away, or never given."""

import itertools
import json
import re

import pytest
from harness import REPOSITORY, eventually, free_port, running_node
from harness.node import INDEX, PREFIX
from nemesis.proxy import FaultProxy

IMPORT = "from shared import halopsa; answer = halopsa.VERSION"
AGENT_ACL = ("reset on >secret resetchannels %R~bifrost:module:* &__redis__:invalidate &bifrost:mark:* -@all +ping +info +role "
             "+config|get +config|set +client|id +client|tracking +subscribe +psubscribe +publish +scan +multi +exec +type +pttl "
             "+getrange +strlen +sismember +smismember +sscan +exists")
SUBSCRIPTION = 2  # of the agent's connections to a proxy
PONG_DELAY_S = 3
KEYSPACE_CHANNEL = "&__keyspace@0__:bifrost:module:*"


def by_lease(node, expected, what):
    """Waits until executions that rely on the lease alone (no fence) see `expected` from the mirror."""
    worker = node.worker()
    eventually(lambda: worker.do("e = bifrost_cache.begin_execution(fresh=False); " + IMPORT +
                                 "; answer = [answer, e.source]") == [expected, "shm"], what)


def fences_of(node):
    return node.cachectl.json("stats")["counters"]["fences_total"]


def status_of(node):
    return json.loads(node.cachectl("status", "-o", "json").stdout)


@pytest.mark.parametrize("signal", ["both", "keyspace", "tracking"])
def test_databases_that_were_swapped_are_noticed_by_every_signal(node, signal):
    client = node.redis.client()
    node.put("shared/halopsa.py", "VERSION = 'of database 0'\n")
    other = node.redis.client(db=1)
    other.set("bifrost:module:shared/halopsa.py", node.value("p", "VERSION = 'of database 1'\n"))
    other.sadd("bifrost:module:index", "shared/halopsa.py")
    node.start_agent("--signal", signal, "--reconcile", "1h")
    by_lease(node, "of database 0", "the mirror is live")
    client.swapdb(0, 1)
    by_lease(node, "of database 1", "the swap is noticed")
    assert "event=redis_swept" in node.agent.log
    assert status_of(node)["redis"]["connected"]


def test_with_notifications_alone_a_flush_is_noticed_too(node):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent("--signal", "keyspace", "--reconcile", "1h")
    node.redis.client().flushall()
    eventually(lambda: status_of(node)["state"] == "cold", "the flush is noticed")
    node.redis.client().flushall()
    node.put("shared/halopsa.py", "VERSION = 2\n")
    by_lease(node, 2, "writers return")


def test_notifications_that_somebody_switches_off_are_switched_on_again(live):
    live.redis.client().config_set("notify-keyspace-events", "")
    eventually(lambda: "A" in live.redis.client().config_get("notify-keyspace-events")["notify-keyspace-events"],
               "the agent notices")
    live.wait("--ready")
    live.delete("shared/halopsa.py")
    live.put("shared/halopsa.py", "VERSION = 2\n")
    by_lease(live, 2, "the stream is whole again")
    assert "notify-keyspace-events" in live.agent.log


def test_what_was_kept_after_a_loss_is_deleted_while_notifications_are_switched_off(node):
    """By tracking's word. The lease is long: nobody looks at the server."""
    node.put("p.py", "V = 1\n")
    node.start_agent("--lease", "60s")
    client = node.redis.client()
    client.flushall()
    node.put("other.py", "")
    for _ in range(3):  # after two fences it is known what was announced before the loss
        node.wait("--fresh")
    assert node.cachectl("exists", "p.py").returncode == 0
    client.config_set("notify-keyspace-events", "")
    client.setex(PREFIX + "p.py", 600, json.dumps({"content": "V = 2\n", "path": "p.py", "hash": "2"}))
    node.wait("--fresh")  # has read it before it is listed
    client.sadd(INDEX, "p.py")
    node.wait("--fresh")
    assert node.cachectl.text("get", "p.py") == "V = 2\n"
    client.pipeline(transaction=True).delete(PREFIX + "p.py").srem(INDEX, "p.py").execute()
    node.wait("--fresh")
    assert node.cachectl("exists", "p.py").returncode != 0


def test_a_removal_that_was_read_in_two_steps_meanwhile_is_found_by_the_next_look(live):
    live.put("p.py", "")
    live.wait("--fresh")
    client = live.redis.client()
    client.config_set("notify-keyspace-events", "")
    client.delete(PREFIX + "p.py")
    live.wait("--fresh")
    client.srem(INDEX, "p.py")
    eventually(lambda: live.cachectl("exists", "p.py").returncode != 0, "the module is gone")


@pytest.mark.parametrize("signal", ["keyspace", "both"])
def test_notifications_that_were_off_between_two_looks_have_been_missed(node, signal):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.put("gone.py", "")
    node.start_agent("--signal", signal, "--reconcile", "1h", "--lease", "4s")  # a look every 1.5 s
    client = node.redis.client()
    client.config_set("notify-keyspace-events", "")
    node.put("shared/halopsa.py", "VERSION = 2\n")
    node.delete("gone.py")
    client.config_set("notify-keyspace-events", "KA")
    by_lease(node, 2, "the edit is noticed")
    eventually(lambda: status_of(node)["modules"] == 1, "so is the deletion")


def with_acl(node, *rules):
    node.redis.client().execute_command("ACL", "SETUSER", "agent", *AGENT_ACL.split(), *rules)


def start_as(node, user, ready=True):
    node.agent_url = f"unix://{user}:secret@{node.redis.socket}"
    node.start_agent(ready=ready)


def test_the_documented_rights_are_enough_and_none_is_refused(node):
    with_acl(node, KEYSPACE_CHANNEL)
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.put("large.py", "# " + "x" * 100_000 + "\n")
    start_as(node, "agent")
    assert status_of(node)["redis"]["signal"] == "both"
    eventually(lambda: status_of(node)["redis"]["cuts"] == "marks", "a trial of marks comes back")
    node.put("shared/halopsa.py", "VERSION = 2\n")
    by_lease(node, 2, "a write is seen")
    node.delete("large.py")
    node.redis.client().swapdb(0, 1)
    eventually(lambda: status_of(node)["state"] == "cold", "the swap is seen")
    assert node.redis.client().execute_command("ACL", "LOG") == []


@pytest.mark.parametrize(("signal", "rights", "pings"),
                         [("keyspace", [], 1), ("tracking", [], 2), ("both", [], 1), ("both", ["-config"], 2)])
def test_a_fence_that_may_have_to_rest_on_tracking_is_two_pings(node, signal, rights, pings):
    """Of one pass of Redis' event loop, the PONG may come before tracking's message."""
    with_acl(node, KEYSPACE_CHANNEL, *rights)
    node.redis.client().config_set("notify-keyspace-events", "KA")
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.agent_url = f"unix://agent:secret@{node.redis.socket}"
    node.start_agent("--signal", signal)
    client = node.redis.client()

    def counted():
        return fences_of(node), client.info("commandstats")["cmdstat_ping"]["calls"]

    fences, answered = counted()
    for _ in range(20):
        node.wait("--fresh")
    more_fences, more_answered = counted()
    assert more_fences - fences >= 20
    # Others may be sent between two looks.
    assert abs((more_answered - answered) - pings * (more_fences - fences)) <= 2 * pings


def test_the_second_ping_of_a_fence_follows_the_first_pong_and_has_its_own_patience(node):
    """Redis handles both in one pass if they come together, and then nothing is gained over one."""
    node.put("shared/halopsa.py", "VERSION = 1\n")
    proxy = FaultProxy(node.redis.socket)
    node.agent_url = proxy.url
    try:
        node.start_agent("--signal", "tracking", "--lease", "1h")
        with node.redis.client().monitor() as monitor:
            proxy.only = SUBSCRIPTION
            proxy.delay_s["to_client"] = PONG_DELAY_S
            fences = fences_of(node)
            node.cachectl("wait", "--fresh", "--timeout", "1s")  # asks for one
            eventually(lambda: fences_of(node) > fences, "it is answered, after more than the 5 s that a PONG has")
            node.redis.client().echo("answered")
            heard = itertools.takewhile(lambda command: command["command"] != "ECHO answered", monitor.listen())
            # The connection that reads sends its own when it was idle for 5 s.
            first, second, *_ = [command["time"] for command in heard if command["command"] == "PING"]
        assert second - first >= PONG_DELAY_S
        assert "event=redis_lost" not in node.agent.log
    finally:
        proxy.close()


def test_a_right_to_ask_for_info_that_is_given_back_is_used_from_the_next_sync_on(node):
    with_acl(node, KEYSPACE_CHANNEL, "-info")
    node.put("shared/halopsa.py", "VERSION = 1\n")
    start_as(node, "agent")
    assert "event=info_refused" in node.agent.log
    with_acl(node, KEYSPACE_CHANNEL)
    assert node.cachectl("sync").returncode == 0
    eventually(lambda: "INFO is allowed by now" in node.agent.log, "the agent asks again")
    node.wait("--ready")
    node.redis.client().swapdb(0, 1)
    eventually(lambda: status_of(node)["state"] == "cold", "the swap is seen")


def test_after_synchronisations_that_break_at_once_the_pauses_grow(node):
    with_acl(node, KEYSPACE_CHANNEL)
    node.put_many([(f"m{i}.py", "") for i in range(200)])  # of which each look asks for a part
    start_as(node, "agent")
    with_acl(node, KEYSPACE_CHANNEL, "-exists")
    node.cachectl("sync")
    eventually(lambda: node.agent.log.count("event=synced") >= 7, "it tries again")
    assert "exists" in node.agent.log
    assert max(map(int, re.findall(r"retry_in_ms=(\d+)", node.agent.log))) > 100  # which the first pause never is


# What this test itself sends, and its client library by itself (redis-py 5); writes go by a script, whose commands MONITOR
# tells from those of clients.
OWN_COMMANDS = {"EVAL", "ECHO", "CLIENT SETINFO"}
WRITE = """
for i, path in ipairs(ARGV) do
  redis.call('SETEX', 'bifrost:module:' .. path, 86400, KEYS[1])
  redis.call('SADD', 'bifrost:module:index', path)
end
"""
DELETE = "redis.call('DEL', 'bifrost:module:' .. ARGV[1]); redis.call('SREM', 'bifrost:module:index', ARGV[1])"


def commands_before(echo, monitor):
    """The commands of clients that MONITOR tells of before `ECHO echo`; of CLIENT and CONFIG with their second word."""
    seen = set()
    for command in monitor.listen():
        words = command["command"].split(" ")
        if words[:2] == ["ECHO", echo]:
            return seen - OWN_COMMANDS
        if command["client_type"] != "lua":
            seen.add(" ".join(words[:2 if words[0] in ("CLIENT", "CONFIG") else 1]).upper())


def test_every_command_that_an_agent_sends_is_in_the_document(node):
    text = (REPOSITORY / "docs" / "redis-contract.md").read_text(encoding="utf-8").split("## 4. Commands that are sent")[1]
    documented = "\n".join(re.findall(r"^\| agent \|.*$", text, re.MULTILINE))
    client = node.redis.client()
    client.eval(WRITE, 1, node.value("p", "X = 1\n"), "a.py", "b.py")
    with client.monitor() as monitor:
        node.start_agent("--reconcile", "1s")
        eventually(lambda: status_of(node)["redis"]["cuts"] == "marks", "a trial of marks comes back")
        client.eval(WRITE, 1, node.value("p", "# " + "x" * 100_000 + "\n"), "a.py")
        client.eval(DELETE, 0, "b.py")
        eventually(lambda: status_of(node)["modules"] == 1, "the deletion is seen")
        seen = set()

        def heard_of_all_that_it_does():
            client.echo("until-here")
            seen.update(commands_before("until-here", monitor))
            return {"SCAN", "MULTI", "PUBLISH", "SUBSCRIBE", "PSUBSCRIBE", "SSCAN", "EXISTS", "PTTL", "SISMEMBER"} <= seen

        eventually(heard_of_all_that_it_does, "it reads, follows and compares")
    assert {name for name in seen if not re.search(rf"\b{name}\b", documented)} == set()


@pytest.mark.parametrize("missing", [["-publish"], ["resetchannels", "&__redis__:invalidate", KEYSPACE_CHANNEL]])
def test_without_the_right_to_marks_fences_decide_and_it_is_said(node, missing):
    with_acl(node, KEYSPACE_CHANNEL, *missing)
    node.put("shared/halopsa.py", "VERSION = 1\n")
    start_as(node, "agent")
    assert status_of(node)["redis"]["cuts"] == "fences"
    assert "+publish" in node.agent.log or "event=subscription_refused signal=marks" in node.agent.log
    node.put("shared/halopsa.py", "VERSION = 2\n")
    by_lease(node, 2, "a write is seen")
    examined = node.cachectl("doctor", "--redis-url", node.agent_url).stdout.decode()
    assert "marks are refused" in examined and "+publish &bifrost:mark:*" in examined


def test_with_tracking_alone_fences_decide(node):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent("--signal", "tracking")
    assert status_of(node)["redis"]["cuts"] == "fences"
    assert "groups by fences" in node.cachectl("status").stdout.decode()


def test_without_the_keyspace_channel_auto_goes_on_by_tracking(node):
    with_acl(node)
    node.put("shared/halopsa.py", "VERSION = 1\n")
    start_as(node, "agent")
    assert status_of(node)["redis"]["signal"] == "tracking"
    assert "event=subscription_refused signal=keyspace" in node.agent.log
    node.put("shared/halopsa.py", "VERSION = 2\n")
    by_lease(node, 2, "a write is seen")


def test_without_tracking_auto_goes_on_by_notifications(node):
    with_acl(node, KEYSPACE_CHANNEL, "-client|tracking")
    node.put("shared/halopsa.py", "VERSION = 1\n")
    start_as(node, "agent")
    assert status_of(node)["redis"]["signal"] == "keyspace"
    node.put("shared/halopsa.py", "VERSION = 2\n")
    by_lease(node, 2, "a write is seen")


def with_notifications_and_rights(node, *rights):
    """The agent will be a user who may do everything, but for these. Returns a client of another one."""
    client = node.redis.client()
    client.config_set("notify-keyspace-events", "KA")
    client.execute_command("ACL", "SETUSER", "agent", "on", ">secret", "~*", "&*", "+@all", *rights)
    node.agent_url = f"unix://agent:secret@{node.redis.socket}"
    return client


@pytest.mark.parametrize(("signal", "rights", "unproven"), [
    ("keyspace", "-config", True), ("keyspace", "-config +config|get", False), ("both", "-config", False)])
def test_notifications_that_nobody_can_check_are_a_problem_by_name(node, signal, rights, unproven):
    with_notifications_and_rights(node, *rights.split())
    node.start_agent("--signal", signal)
    status = status_of(node)
    assert status["ready"]
    assert ("signal_unproven" in [problem["name"] for problem in status["problems"]]) == unproven


def test_notifications_that_may_not_be_checked_any_more_are_not_relied_on(node):
    client = with_notifications_and_rights(node)
    node.start_agent("--signal", "keyspace")
    assert status_of(node)["problems"] == []
    client.execute_command("ACL", "SETUSER", "agent", "-config")
    client.config_set("notify-keyspace-events", "")
    eventually(lambda: "signal_unproven" in [p["name"] for p in status_of(node)["problems"]], "the agent looks")


def test_with_neither_signal_the_agent_says_what_to_allow_and_gives_no_lease(node):
    with_acl(node, "-client|tracking")
    node.put("shared/halopsa.py", "VERSION = 1\n")
    start_as(node, "agent", ready=False)
    eventually(lambda: "Redis grants no way to hear of changes" in node.agent.log, "the agent says so")
    assert node.run(IMPORT + "; answer = [answer, execution.source]") == [1, "redis"]


def test_a_server_that_becomes_a_replica_loses_its_lease_until_it_has_synchronised(live):
    with running_node() as other:
        other.put("shared/halopsa.py", "VERSION = 'of the other master'\n")
        # A replica finds its master by TCP only.
        port = free_port()
        other.redis.client().config_set("bind", "127.0.0.1")
        other.redis.client().config_set("port", str(port))
        live.redis.client().replicaof("127.0.0.1", port)
        by_lease(live, "of the other master", "the mirror follows")
        assert "role changed from master to slave" in live.agent.log
        live.redis.client().replicaof("NO", "ONE")
        live.wait("--ready")
        live.put("shared/halopsa.py", "VERSION = 'promoted'\n")
        by_lease(live, "promoted", "the promoted server is followed")


@pytest.mark.parametrize("lease", ["1s", "1h"])  # which an hour after the boot may not have come yet
def test_a_replica_that_has_never_heard_of_its_master_gets_no_lease(node, lease):
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.redis.client().replicaof("127.0.0.1", free_port())
    node.start_agent("--lease", lease, ready=False)
    eventually(lambda: "event=synced" in node.agent.log, "the agent has read what the replica has")
    assert "event=replica_cut_off" in node.agent.log
    assert [p["name"] for p in status_of(node)["problems"]] == ["replica_cut_off"]
    assert node.cachectl("wait", "--ready", "--timeout", "2s").returncode != 0
    node.redis.client().replicaof("NO", "ONE")
    node.wait("--ready")
