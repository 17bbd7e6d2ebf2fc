#!/usr/bin/python3
"""Imports by this build beside imports by another one, each with its own agent and a Redis of its own.

usage: bench/import/against.py BUILD [--workloads NAMES] [--rounds N]

BUILD: a build tree with agent, tool and package, say `build/release` of a checkout of the release before. This build is
build/release, or BIFROST_BUILD_DIR. Samples are fresh processes that take turns in random order; the ratio is the median
of the rounds' ratios, with its quartiles. Only what the workload imports is under the clock.
"""

import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys

import paths  # noqa: F401, I001, before what it makes importable
import workloads
from harness import Cachectl, eventually, running_node
from harness.places import BUILD

COMPILE_DEADLINE_S = 600
SAMPLE = """
import json, sys, time
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
assert bifrost_cache.begin_execution().source == "shm"
begun, used = time.perf_counter(), time.process_time()
for name in sys.argv[1:]:
    __import__(name)
print(json.dumps([1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - used)]))
"""


class Side:
    """One build at work on a node of its own: what it serves, and samples of imports by it."""

    def __init__(self, build, node, workload):
        self._environment = node.environment(PYTHONPATH=str(build / "python"))
        self._tool = Cachectl(node.segment_dir, environment=self._environment)
        self._tool.program = build / "bin/bifrost-cachectl"
        node.put_many(workload.sources.items())
        node.start_agent("--python", sys.executable, program=build / "bin/bifrost-agent", ready=False)
        eventually(lambda: self._serves(len(workload.sources)), f"the agent of {build} serves all modules and their code",
                   COMPILE_DEADLINE_S)

    def _serves(self, modules):
        asked = self._tool("status", "-o", "json")
        status = json.loads(asked.stdout) if asked.returncode == 0 else {}
        return status.get("modules") == modules and sum(status["code"].values()) >= 0.99 * modules

    def sample(self, entries):
        """Milliseconds of wall time and of CPU time."""
        done = subprocess.run([sys.executable, "-B", "-c", SAMPLE, *entries], env=self._environment, capture_output=True,
                              text=True, check=True, timeout=60)
        return json.loads(done.stdout)


def compare(sides, workload, rounds):
    samples = {name: [] for name in sides}
    for _ in range(rounds):
        for name in random.sample(list(sides), len(sides)):
            samples[name].append(sides[name].sample(workload.entries))
    for part, what in enumerate(["wall", "CPU"]):
        ours, theirs = ([sample[part] for sample in samples[name]] for name in ("this", "other"))
        low, middle, high = statistics.quantiles(our / their for our, their in zip(ours, theirs, strict=True))
        print(f"{workload.name:12} {what:4}  this {statistics.median(ours):7.1f} ms  other {statistics.median(theirs):7.1f} ms"
              f"  ratio {middle:.3f} ({low:.3f} to {high:.3f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--workloads", default="sqlalchemy,django,rich", help="comma-separated [%(default)s]")
    parser.add_argument("--rounds", type=int, default=31, help="samples of each build [%(default)s]")
    chosen = parser.parse_args()
    for name in chosen.workloads.split(","):
        workload = workloads.load(name)
        with running_node() as ours, running_node() as theirs:
            sides = {"this": Side(BUILD, ours, workload), "other": Side(chosen.build.resolve(), theirs, workload)}
            compare(sides, workload, chosen.rounds)


if __name__ == "__main__":
    main()
