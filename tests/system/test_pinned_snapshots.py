"""An execution keeps its generation while others write without a pause: promise D-10 of docs/consistency.md, with real
workers. BIFROST_PINNED_SECONDS=600 for a long run (5 by default)."""

import itertools
import os
import random
import threading
import time

from harness import running_node

SECONDS = float(os.environ.get("BIFROST_PINNED_SECONDS", "5"))
MODULES = [f"flows/m{n}.py" for n in range(60)]
WRITES_PER_ROUND, ROUNDS_PER_SECOND = 60, 20  # 1,200 writes a second

# Executions one after the other: some modules at once, a pause, the rest. What each saw.
EXECUTIONS = """
import importlib, random, time
answer = []
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    execution = b.begin_execution(timeout=10.0)
    names = random.sample(range(60), 9)
    for position, n in enumerate(names):
        if position == 3:
            time.sleep(random.uniform(0.005, {longest_pause}))
        module = importlib.import_module(f"flows.m{{n}}")
        loaded = b.loaded()[f"flows.m{{n}}"]
        state = max(loaded.generation, execution.generation)  # an unchanged module stays loaded from before
        answer.append([state, n, module.N, execution.intact, state == execution.generation, loaded.source])
answer = [answer, b.stats()]
"""


class Writer(threading.Thread):
    """Modules of 100 B to 200 KB, each with a number that rises, at 1,200 a second."""

    def __init__(self, node):
        super().__init__()
        self.node, self.done, self.written = node, threading.Event(), 0
        self.source = random.Random(7)
        self.padding = {exponent: "#" * int(100 * 1.1 ** exponent) for exponent in range(81)}

    def round(self, paths):
        pipe = self.node.redis.client().pipeline(transaction=False)
        for path in paths:
            self.written += 1
            body = f"N = {self.written}\n{self.padding[self.source.randrange(81)]}\n"
            pipe.set(f"bifrost:module:{path}", self.node.value(path, body))
            pipe.sadd("bifrost:module:index", path)
        pipe.execute()

    def run(self):
        due = time.monotonic()
        while not self.done.is_set():
            self.round(self.source.choices(MODULES, k=WRITES_PER_ROUND))
            due = max(due + 1 / ROUNDS_PER_SECOND, time.monotonic() - 1)
            self.done.wait(max(0, due - time.monotonic()))


def executions_beside_a_writer(node, seconds, longest_pause):
    """What three workers saw: [generation, module, number, intact, pinned, source] each, and their counters."""
    writer = Writer(node)
    writer.round(MODULES)
    node.wait("--fresh")
    code = EXECUTIONS.format(seconds=seconds, longest_pause=longest_pause)
    workers = [node.worker() for _ in range(3)]
    answers = []
    threads = [threading.Thread(target=lambda w=w: answers.append(w.do(code, seconds + 60))) for w in workers]
    writer.start()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        writer.done.set()
        writer.join()
    assert len(answers) == len(workers), "a worker failed"
    assert writer.written > 100 * seconds, "too few writes: this tests nothing"
    return [row for rows, _ in answers for row in rows], [stats for _, stats in answers]


def contradictions(rows):
    """Pairs of rows that no numbering of states explains: one generation with two numbers of a module, or a later one
    with an older number."""
    found = []
    for n in range(len(MODULES)):
        seen = sorted((generation, number) for generation, module, number, *_ in rows if module == n)
        found += [(n, *pair) for pair in itertools.pairwise(seen)
                  if (pair[0][0] == pair[1][0] and pair[0][1] != pair[1][1]) or pair[0][1] > pair[1][1]]
    return found


def test_no_import_comes_from_outside_the_pinned_generation():
    with running_node() as node:
        node.start_agent()
        rows, stats = executions_beside_a_writer(node, SECONDS, longest_pause=0.02)
        assert len(rows) > 20 * SECONDS
        assert contradictions(rows) == []
        assert {tuple(row[3:]) for row in rows} == {(True, True, "source")}
        assert [s["snapshot_lost"] for s in stats] == [0, 0, 0]


def test_an_execution_beyond_the_bounds_of_history_is_told():
    with running_node() as node:
        node.start_agent("--history", "1ms", "--history-size", "1M", "--max-size", "48M")
        rows, stats = executions_beside_a_writer(node, min(SECONDS, 10), longest_pause=0.3)
        told = [row for row in rows if not row[3]]
        assert told and sum(s["snapshot_lost"] for s in stats) > 0, "nothing was lost: this tests nothing"
        assert contradictions([row for row in rows if row[3]]) == []


MANY_EXECUTIONS = """
import importlib
most, numbers, round = 0, set(), 0
while round < 10_000 or (len(numbers) <= 30 and round < 1_000_000):
    round += 1
    execution = b.begin_execution(timeout=10.0)
    importlib.import_module(f"flows.m{round % 60}")
    if round % 100 == 0:
        files = [line.split()[5] for line in open("/proc/self/maps") if "/chunk." in line]  # "(deleted)" stands behind it
        chunks = {file.rpartition("/")[2] for file in files}
        most, numbers = max(most, len(chunks)), numbers | chunks
answer = [most, len(numbers)]
"""


def test_a_long_lived_worker_does_not_collect_mappings():
    with running_node() as node:
        node.start_agent("--history", "100ms", "--max-size", "64M")
        writer = Writer(node)
        writer.round(MODULES)
        node.wait("--fresh")
        worker = node.worker()
        writer.start()
        try:
            most, altogether = worker.do(MANY_EXECUTIONS, 120)
        finally:
            writer.done.set()
            writer.join()
        assert altogether > 30, "few chunks came and went: this tests nothing"
        assert most <= 16, f"{most} chunks mapped at once, of {altogether}"
