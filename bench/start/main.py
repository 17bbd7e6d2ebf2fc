"""From asking for an execution to its workflow's first line, by all ways: see README.md in this directory."""

import argparse
import dataclasses
import json
import os
import pathlib
import random
import signal
import statistics
import sys
import time

import paths  # isort: skip  # noqa: F401, before what it makes importable
import chart
import report
import workloads
from harness import Conversation, Failed, expect
from measure import machine
from stage import PYTHON, WORKSPACE, Stage
from summary import quartiles
from variants import BY_KEY
from ways import SEES_EDITS, WAYS

HERE = pathlib.Path(__file__).parent
NAMES = ["django", "flask", "sqlalchemy", "sympy", "sdk"]
FLOW, EDITED = "bench_flow", "bench_edited"
AT_ONCE = 8
AFTER_EDIT = 6

FIRST_LINE = '''

def first_line():
    import time
    now = time.monotonic()
    private = 0
    with open("/proc/self/smaps_rollup") as lines:
        for line in lines:
            if line.startswith("Private_"):
                private += int(line.split()[1]) * 1024
    return now, private, bench_edited.N
'''


def arguments():
    parser = argparse.ArgumentParser(prog="bench/start/run", description="Measures the start of executions.")
    parser.add_argument("--workloads", type=lambda text: text.split(","), default=NAMES, help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--edits", type=int, default=5, help="edits, each followed by six executions per way")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every sample and figure")
    parser.add_argument("--chart", type=pathlib.Path, metavar="FILE", help="draw the starts as SVG")
    parser.add_argument("--smoke", action="store_true", help="one small workload, two rounds: does everything work?")
    chosen = parser.parse_args()
    if chosen.smoke:
        chosen.workloads, chosen.rounds, chosen.edits = ["flask"], 2, 1
    if chosen.rounds < 1 or chosen.edits < 1:
        parser.error("--rounds and --edits take 1 or more")
    return chosen


def workload_of(name):
    """The workload of bench/import, with a workflow that imports its entries."""
    load = workloads.load(name)
    lines = [f"import {entry.partition(':')[0]}" for entry in load.entries]
    flow = "\n".join([*lines, f"import {EDITED}", FIRST_LINE])
    sources = {**load.sources, f"{FLOW}.py": flow, f"{EDITED}.py": "N = 0\n"}
    return dataclasses.replace(load, sources=sources, entries=[FLOW])


class Boss:
    """The process that asks, as main() talks to it."""

    PATIENCE_S = 180

    def __init__(self, stage, build):
        order = {
            "ways": list(WAYS),
            "flow": FLOW,
            "package": str(build / "python"),
            "rest": str(stage.home / "rest"),
            "path": str(stage.home / "pyc"),
            "preload": preload_of(stage.beforehand),
            "environment": environment_of(stage),
        }
        file = stage.home / "boss.json"
        file.write_text(json.dumps(order))
        self.conversation = Conversation([PYTHON, "-B", HERE / "boss.py", file])
        expect(json.loads(self.conversation.hear(self.PATIENCE_S)) == "ready", "boss.py did not get ready")

    def ask(self, way, count=1):
        self.conversation.tell(f"{way} {count}")
        return json.loads(self.conversation.hear(self.PATIENCE_S))

    def close(self):
        process = self.conversation.process
        process.stdin.close()
        try:
            status = process.wait(self.PATIENCE_S)
            expect(status == 0, f"boss.py ended with status {status}:\n{self.conversation.errors()[-3000:]}")
        finally:
            self.conversation.close()


def preload_of(foreign):
    """The standard library's part of what the workflow imports besides itself."""
    return [name for name in foreign if name.partition(".")[0] in sys.stdlib_module_names and name != "__main__"]


def environment_of(stage):
    node = stage.nodes["agent-code"]
    return {"BIFROST_SEGMENT_DIR": str(node.segment_dir), "BIFROST_REDIS_URL": stage.origin.redis.url,
            "BIFROST_WORKSPACE": WORKSPACE, "PYTHONDONTWRITEBYTECODE": "1"}


def measure_workload(chosen, build, name, progress):
    import sampling

    load = workload_of(name)
    with Stage(build, load, ["agent-code", "pyc"]) as stage:
        progress(f"{name}: filling Redis and the mirror")
        stage.fill()
        modules = sampling.learn(stage, BY_KEY["pyc"])
        boss = Boss(stage, build)
        try:
            single = interleaved(chosen.rounds, lambda way: boss.ask(way)[0], list(WAYS), f"{name}: one", progress)
            at_once = interleaved(max(2, chosen.rounds // 3), lambda way: boss.ask(way, AT_ONCE), list(WAYS),
                                  f"{name}: {AT_ONCE} at once", progress)
            edits = measure_edits(chosen.edits, stage, boss, f"{name}: edits", progress)
        finally:
            boss.close()
    return {"name": name, "title": load.title, "modules": len(modules), "source_bytes": load.source_bytes,
            "single": single, "at_once": at_once, "edits": edits}


def interleaved(rounds, ask, ways, title, progress):
    """{way: [answer per round]}, in another order each round."""
    samples = {way: [] for way in ways}
    order = random.Random(1)
    for number in range(rounds):
        progress(f"{title}, round {number + 1} of {rounds}")
        for way in order.sample(ways, len(ways)):
            samples[way].append(ask(way))
    return samples


def measure_edits(edits, stage, boss, title, progress):
    """{way: [[seconds of the execution right after an edit, of the next, ...] per edit]}"""
    samples = {way: [] for way in SEES_EDITS}
    for number in range(1, edits + 1):
        for way in random.Random(number).sample(SEES_EDITS, len(SEES_EDITS)):
            progress(f"{title}, {number} of {edits}")
            value = number * 100 + SEES_EDITS.index(way)
            boss.ask(way)
            stage.origin.put(f"{EDITED}.py", f"N = {value}\n")
            answers = [boss.ask(way)[0] for _ in range(AFTER_EDIT)]
            expect([answer[2] for answer in answers] == [value] * AFTER_EDIT, f"{way} ran something old: {answers}")
            samples[way].append([answer[0] for answer in answers])
    return samples


def figures_of(entry):
    """Medians, quartiles, and ratios of the same round to spawn with .pyc files."""
    figures = {}
    for way in WAYS:
        seconds = [sample[0] for sample in entry["single"][way]]
        peer = [sample[0] for sample in entry["single"]["spawn-pyc"]]
        together = [max(row[0] for row in rows) for rows in entry["at_once"][way]]
        together_peer = [max(row[0] for row in rows) for rows in entry["at_once"]["spawn-pyc"]]
        private = [sample[1] for sample in entry["single"][way]]
        private_peer = [sample[1] for sample in entry["single"]["spawn-pyc"]]
        figures[way] = {
            "seconds": statistics.median(seconds),
            "quartiles": quartiles(seconds),
            "ratio": ratio(seconds, peer),
            "to_bare_fork": ratio(seconds, [sample[0] for sample in entry["single"]["bare-fork"]]),
            "private": statistics.median(private),
            "private_ratio": ratio(private, private_peer),
            "at_once": statistics.median(together),
            "at_once_ratio": ratio(together, together_peer),
        }
        if way in SEES_EDITS:
            figures[way]["after_edit"] = [statistics.median(row[n] for row in entry["edits"][way]) for n in range(AFTER_EDIT)]
            figures[way]["after_edit_ratio"] = [
                ratio([row[n] for row in entry["edits"][way]], [row[n] for row in entry["edits"]["fork-none"]])
                for n in range(AFTER_EDIT)]
    return figures


def ratio(ours, theirs):
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    chosen = arguments()
    build = pathlib.Path(os.environ["BIFROST_BUILD_DIR"])

    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    begun = time.monotonic()
    result = {"schema": 1, "command": ["bench/start/run", *sys.argv[1:]], "machine": machine(),
              "load": os.getloadavg()[0], "ways": WAYS, "workloads": []}
    print(report.head(result))
    try:
        for name in chosen.workloads:
            entry = measure_workload(chosen, build, name, progress)
            entry["figures"] = figures_of(entry)
            result["workloads"].append(entry)
            progress("")
            print(report.workload(entry))
    except (Failed, LookupError) as failure:
        print(f"\nbench/start: {failure}", file=sys.stderr)
        return 1
    result["budgets"] = report.budgets(result)
    print(report.summary(result))
    print(f"\n{time.monotonic() - begun:.0f} s. Nothing is left running.")
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")
    if chosen.chart:
        chosen.chart.write_text(chart.svg(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
