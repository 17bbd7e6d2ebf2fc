"""Starts workers, one or several at once, and takes one sample of a variant."""

import json
import os

from harness import Conversation, clean_environment, expect
from stage import PYTHON

ANSWER_DEADLINE_S = 600
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")


class Worker(Conversation):
    """One fresh process. The same interpreter, flags and environment for every variant."""

    def __init__(self, program, order):
        super().__init__([PYTHON, "-B", program, order], env=clean_environment())

    def answer(self):
        return json.loads(self.hear(ANSWER_DEADLINE_S))


def sample(stage, variant, count):
    """What `count` workers at once measured: seconds and bytes per worker, and the seconds of all, `makespan`."""
    order = stage.order(variant)
    workers = []
    try:
        for _ in range(count):
            workers.append(Worker(WORKER, order))
        prepared = [worker.answer()["prepared"] for worker in workers]
        before = ask(workers, "before")
        runs = ask(workers, "go")
        after = ask(workers, "after")
    finally:
        for worker in workers:
            worker.close()
    return {
        "prepared": prepared,
        "wall": [run["end"] - run["start"] for run in runs],
        # The clock is the machine's, the same in all processes.
        "makespan": max(run["end"] for run in runs) - min(run["start"] for run in runs),
        "cpu": [run["cpu"] for run in runs],
        "pss": [late["pss"] - early["pss"] for early, late in zip(before, after, strict=True)],
        "private": [late["private"] - early["private"] for early, late in zip(before, after, strict=True)],
        "peak": [late["peak"] - early["resident"] for early, late in zip(before, after, strict=True)],
        "modules": runs[0]["modules"],
        "mirrored": runs[0]["mirrored"],
    }


def ask(workers, word):
    for worker in workers:
        worker.tell(word)
    return [worker.answer() for worker in workers]


def learn(stage, variant):
    """Finds what the entries import beside the served modules (stage.beforehand), and returns the served ones.

    In rounds: what is imported beforehand may keep other modules from being needed.
    """
    served = set(stage.workload.served)
    stage.beforehand = []
    for _ in range(4):
        modules = sample(stage, variant, 1)["modules"]
        foreign = [name for name in modules if name.partition(".")[0] not in served]
        if not foreign:
            return modules
        stage.beforehand += foreign
    expect(False, f"{stage.workload.name}: still imports foreign modules: {foreign}")


def measure(stage, variants, modules, workers, rounds, progress):
    """{variant: [sample per round]}: A B C, then C B A, and so on."""
    samples = {variant.key: [] for variant in variants}
    for number in range(rounds):
        for variant in variants[:: 1 if number % 2 == 0 else -1]:
            progress(f"{stage.workload.name}, {workers} at once, round {number + 1} of {rounds}: {variant.title}")
            taken = sample(stage, variant, workers)
            check_alike(stage, variant, taken, modules)
            del taken["modules"]
            samples[variant.key].append(taken)
    return samples


def check_alike(stage, variant, taken, modules):
    """Every variant imports the same modules, and ours all of them from where it says."""
    different = set(taken["modules"]) ^ set(modules)
    expect(not different, f"{stage.workload.name}, {variant.title}: not the same modules: {sorted(different)[:10]}")
    if variant.is_node:
        kind = {"agent-code": "code", "agent-source": "source"}[variant.key]
        strays = {key: count for key, count in taken["mirrored"].items() if key != kind}
        expect(not strays, f"{stage.workload.name}, {variant.title}: {strays} modules did not come as {kind}")
