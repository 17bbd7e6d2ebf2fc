"""The defects that the checker must notice, each with faults and settings under which it shows.

What a defect is and which promises it may break stand in tests/mutants/DEFECT.patch, which the build makes it from.

Not here: "no lease check after the copy". The promise is about the start of a read, so that a reader that was stopped
between its check and its copy is late but not wrong; the shim makes no such second check.
"""

import dataclasses
import re

from harness import BUILD, REPOSITORY

from nemesis import faults

PATCHES = REPOSITORY / "tests" / "mutants"


@dataclasses.dataclass(frozen=True)
class Mutant:
    defect: str
    faults: tuple
    agent: tuple = ()
    redis: tuple = ()  # arguments of redis-server
    writer_pause_s: float = 0.004
    hot_pause_s: float = 0.004
    long_values: bool = False

    @property
    def rules(self):
        """Promises of docs/consistency.md: breaking any of them gives the defect away."""
        patch = (PATCHES / f"{self.defect}.patch").read_text(encoding="utf-8")
        return set(re.search("^Noticed by: (.+)$", patch, flags=re.MULTILINE)[1].split(", "))

    @property
    def programs(self):
        """What Run needs to run the program that has the defect, which is either the agent or the extension."""
        built = BUILD / "mutants" / self.defect
        if (built / "python").is_dir():
            return {"package": built / "python"}
        return {"agent_program": built / "bifrost-agent"}


def slow_answers(run):
    run.agent_proxy.delay_s["to_client"] = 0.3
    run.let_pass(1.2)
    run.agent_proxy.heal()


def slow_values(run):
    run.agent_proxy.only = "odd"  # the connection that was opened first: messages and fences are as fast as ever
    run.agent_proxy.delay_s["to_client"] = 0.3
    run.let_pass(1.2)
    run.agent_proxy.heal()


def reconnect_while_answers_are_slow(run):
    run.agent_proxy.delay_s["to_client"] = 0.05
    for _ in range(3):
        run.client().client_kill_filter(_type="pubsub")
        run.let_pass(1.5)  # reconnecting takes half a second; then what was missed has to be read
    run.agent_proxy.heal()


def hold_longer_than_a_fence_may_take(run):
    run.agent_proxy.held = True
    run.let_pass(2.0)
    run.agent_proxy.heal()


def slow_messages(run):
    run.agent_proxy.only = "even"  # the connection that was opened second
    run.agent_proxy.delay_s["to_client"] = 0.02
    run.let_pass(2.0)
    run.agent_proxy.heal()


def slow_second_connection(run):
    run.agent_proxy.only = 3  # after data and subscription
    run.agent_proxy.delay_s["to_client"] = 0.15
    run.let_pass(2.0)
    run.agent_proxy.heal()


def outside_readers_lose_the_agent(run):
    """Readers go to Redis for a while and come back to a mirror whose data connection is slow."""
    for _ in range(4):
        run.node.cachectl("sync")
        run.agent_proxy.delay_s["to_client"] = 0.15
        run.let_pass(0.5)
        run.agent_proxy.heal()
        run.let_pass(0.1)


WITHOUT_MARKS = ("--rename-command", "PUBLISH", "")

MUTANTS = [
    Mutant("no-fence", (slow_answers,)),
    Mutant("applied-before-read", (slow_values,)),
    Mutant("drop-events", (faults.nothing,)),
    Mutant("snapshot-before-subscribe", (reconnect_while_answers_are_slow,), writer_pause_s=0.05, hot_pause_s=0.05),
    Mutant("no-canary", (faults.swap_databases,)),
    # Where marks decide, one transaction is under way at a time, whatever the connection.
    Mutant("two-data-connections", (slow_second_connection,), redis=WITHOUT_MARKS),
    # Half of a group takes three questions, and the subscription is slower than the re-reads.
    Mutant("no-group-fence", (slow_messages,), redis=WITHOUT_MARKS, long_values=True, hot_pause_s=0.015),
    Mutant("no-mark", (slow_messages,), long_values=True, hot_pause_s=0.015),
    Mutant("ttl-ignored", (faults.expire_silently,), agent=("--on-expiry", "drop")),
    Mutant("no-lease-check", (faults.stop_agent,)),
    Mutant("no-source-switch", (outside_readers_lose_the_agent,), hot_pause_s=0.001),
    Mutant("no-fence-check", (hold_longer_than_a_fence_may_take,)),
]
