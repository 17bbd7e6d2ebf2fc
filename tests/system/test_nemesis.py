"""Writers and readers under a nemesis: the history that they write down keeps every promise (docs/consistency.md).

The short form plays every fault once, in an order that BIFROST_SEED decides; losses of data by themselves, since what a
loss leaves undecided (docs/consistency.md section 3, retention) lasts while a later fault keeps the agent from looking. A soak: tests/system/soak --minutes 60.
"""

import os
import random

import pytest
from nemesis import faults
from nemesis.mutants import MUTANTS, PATCHES
from nemesis.run import Run

SEED = int(os.environ.get("BIFROST_SEED", "1"))


def play(chosen, seed=SEED, **options):
    """Violations of a run with these faults."""
    run = Run(seed, **options)
    try:
        run.start()
        run.play(chosen)
        violations, records = run.finish()
        print("played", *run.faults_done)
        assert any(getattr(r, "source", "") == "shm" for r in records), "nobody read from the mirror"
        return violations
    finally:
        run.close()


def told(violations):
    return "\n".join([f"seed {SEED}: {len(violations)} violations", *map(str, violations[:20])])


@pytest.mark.parametrize("half", [0, 1])
def test_every_promise_holds_under_every_fault(half):
    order = [f for f in faults.ALL if f not in faults.LOSSES]
    random.Random(SEED).shuffle(order)
    violations = play(order[half::2])
    assert not violations, told(violations)


@pytest.mark.parametrize("loss", faults.LOSSES)
def test_every_promise_holds_when_redis_loses_its_data(loss):
    violations = play([loss])
    assert not violations, told(violations)


@pytest.mark.parametrize("signal", ["keyspace", "tracking"])
def test_every_promise_holds_with_one_signal_alone(signal):
    chosen = [faults.kill_subscribers, faults.swap_databases, faults.reset_connections, faults.delay_to_client,
              faults.kill_agent]
    # Where tracking is alone, fences find what was written together, and these need quiet moments.
    violations = play(chosen, agent_arguments=("--signal", signal), hot_pause_s=0.02 if signal == "tracking" else 0.0)
    assert not violations, told(violations)


def test_with_drop_no_module_outlives_its_key_by_more_than_a_lease():
    violations = play([faults.expire_silently, faults.reset_connections], agent_arguments=("--on-expiry", "drop"))
    assert not violations, told(violations)


def test_every_defect_that_can_be_chosen_is_tried():
    assert sorted(patch.stem for patch in PATCHES.glob("*.patch")) == sorted(m.defect for m in MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.defect)
def test_the_checker_notices(mutant):
    violations = []
    for attempt in range(6):  # some defects need luck
        violations = play(mutant.faults, seed=SEED + attempt, agent_arguments=mutant.agent, redis_arguments=mutant.redis,
                          writer_pause_s=mutant.writer_pause_s,
                          hot_pause_s=mutant.hot_pause_s, long_values=mutant.long_values, **mutant.programs)
        if any(v.rule in mutant.rules for v in violations):
            return
    pytest.fail(f"{mutant.defect} went unnoticed: {told(violations)}")
