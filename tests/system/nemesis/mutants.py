"""The defects that the checker must notice, each with faults and settings under which it shows.

Not here: "no lease check after the copy". The promise is about the start of a read, so that a reader that was stopped
between its check and its copy is late but not wrong; the shim makes no such second check.
"""

import dataclasses

from nemesis import faults


@dataclasses.dataclass(frozen=True)
class Mutant:
    defect: str
    rules: tuple  # any of these may be broken by it
    faults: tuple
    agent: tuple = ()
    writer_pause_s: float = 0.004
    long_values: bool = False


def slow_answers(run):
    run.agent_proxy.delay_s["to_client"] = 0.3
    run.let_pass(1.2)
    run.agent_proxy.heal()


def reconnect_while_answers_are_slow(run):
    run.agent_proxy.delay_s["to_client"] = 0.05
    for _ in range(3):
        run.client().client_kill_filter(_type="pubsub")
        run.let_pass(0.9)
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


MUTANTS = [
    Mutant("no-fence", ("D-2", "D-5", "D-4"), (slow_answers,)),
    Mutant("applied-before-read", ("D-2", "D-4", "D-5"), (slow_answers,)),
    Mutant("drop-events", ("D-2", "D-4", "D-5", "D-6"), (faults.nothing,)),
    Mutant("snapshot-before-subscribe", ("D-2", "D-4", "D-5", "D-6"), (reconnect_while_answers_are_slow,),
           writer_pause_s=0.05),
    Mutant("no-canary", ("D-2", "D-5", "D-6"), (faults.swap_databases,)),
    Mutant("two-data-connections", ("D-2", "D-4", "D-5", "D-6"), (slow_second_connection,)),
    # Half of a group takes three questions, and the subscription is slower than the re-reads.
    Mutant("no-group-fence", ("D-10",), (slow_messages,), long_values=True, writer_pause_s=0.015),
    Mutant("ttl-ignored", ("D-3",), (faults.expire_silently,), agent=("--on-expiry", "drop")),
    Mutant("no-lease-check", ("D-2", "D-4"), (faults.stop_agent,)),
    Mutant("no-source-switch", ("D-4",), (outside_readers_lose_the_agent,)),
    Mutant("no-fence-check", ("D-5", "D-4"), (hold_longer_than_a_fence_may_take,)),
]
