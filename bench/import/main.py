"""Import beside its peers: see README.md in this directory. Started by `run`."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import paths  # isort: skip  # noqa: F401, before what it makes importable
import chart
import finding
import report
import sampling
import workloads
from harness import Failed
from measure import machine
from stage import PYTHON, Stage
from summary import budgets, summarise
from variants import BY_KEY, PEER, VARIANTS

PARTS = ["imports", "finding"]
LEAST_ROUNDS = 3


def arguments():
    parser = argparse.ArgumentParser(prog="bench/import/run", description="Measures imports beside their peers.")
    parser.add_argument("--workloads", type=_names(workloads.NAMES), default=workloads.NAMES,
                        help=f"comma-separated; of {', '.join(workloads.NAMES)}")
    parser.add_argument("--variants", type=_names(list(BY_KEY)), default=list(BY_KEY),
                        help=f"comma-separated; of {', '.join(BY_KEY)}. {PEER} is always measured")
    parser.add_argument("--workers", type=_counts, default=[1, 2, 8], help="how many import at once, e.g. 1,2,8")
    parser.add_argument("--rounds", type=int, default=9, help="with one worker; several get a third, but at least 3")
    parser.add_argument("--parts", type=_names(PARTS), default=PARTS, help=f"comma-separated; of {', '.join(PARTS)}")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every sample and figure")
    parser.add_argument("--chart", type=pathlib.Path, metavar="FILE", help="draw the figures of one worker as SVG")
    parser.add_argument("--smoke", action="store_true", help="one small workload, one round: does everything work?")
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("--rounds takes 1 or more")
    if chosen.smoke:
        chosen.workloads, chosen.workers, chosen.rounds = ["jinja2"], [1, 2], 1
    return chosen


def _names(allowed):
    def parse(text):
        names = text.split(",")
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(allowed)}")
        return names

    return parse


def _counts(text):
    counts = [int(count) for count in text.split(",")]
    if not all(1 <= count <= 64 for count in counts):
        raise argparse.ArgumentTypeError("1 to 64 workers")
    return counts


def rounds_of(chosen, workload, workers):
    if chosen.smoke:
        return 1
    share = workload.rounds if workers == 1 else workload.rounds / 3
    return max(min(LEAST_ROUNDS, chosen.rounds), round(chosen.rounds * share))


def measure_workload(chosen, build, workload, variants):
    """The workload's entry in the result."""
    with Stage(build, workload, [variant.key for variant in variants]) as stage:
        progress(f"{workload.name}: filling Redis and the mirror")
        stage.fill()
        modules = sampling.learn(stage, BY_KEY[PEER])
        runs = []
        for workers in chosen.workers:
            rounds = rounds_of(chosen, workload, workers)
            samples = sampling.measure(stage, variants, modules, workers, rounds, progress)
            runs.append({"workers": workers, "rounds": rounds, "figures": summarise(samples), "samples": samples})
    return {"name": workload.name, "title": workload.title, "modules": len(modules), "files": len(workload.sources),
            "source_bytes": workload.source_bytes, "segment": stage.segment, "runs": runs}


def progress(text):
    """One line that is overwritten, on a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def setup():
    """One line on what the peers run on."""
    version = subprocess.run([PYTHON, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    temporary = tempfile.gettempdir()
    return (f"{version}, -B; files and zip on {file_system_of(temporary)} ({temporary}), in the page cache; "
            f"load before the run {os.getloadavg()[0]:.1f}")


def file_system_of(path):
    """Its kind, as mount names it; a chroot need not know what its root is on."""
    with open("/proc/self/mounts", encoding="utf-8") as lines:
        mounts = [line.split()[1:3] for line in lines]
    above = [mount for mount in mounts if f"{path}/".startswith(mount[0].rstrip("/") + "/")]
    return max(above, key=lambda mount: len(mount[0]), default=(path, "an unknown file system"))[1]


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    chosen = arguments()
    build = pathlib.Path(os.environ["BIFROST_BUILD_DIR"])
    start = time.monotonic()
    result = {"schema": 1, "command": ["bench/import/run", *sys.argv[1:]], "machine": machine(), "setup": setup(),
              "workloads": [], "finding": None}
    variants = [variant for variant in VARIANTS if variant.key in (*chosen.variants, PEER)]
    print(report.head(result))
    try:
        for name in chosen.workloads if "imports" in chosen.parts else []:
            entry = measure_workload(chosen, build, workloads.load(name), variants)
            result["workloads"].append(entry)
            progress("")
            print(report.workload(entry))
        if "finding" in chosen.parts:
            result["finding"] = finding.measure(build, chosen.smoke, progress)
    except (Failed, LookupError) as failure:
        print(f"\nbench/import: {failure}", file=sys.stderr)
        return 1
    progress("")
    print(report.summary(result))
    print(f"\n{time.monotonic() - start:.0f} s. Nothing is left running.")
    result["budgets"] = [{**vars(budget), "verdict": budget.verdict} for budget in budgets(result)]
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")
    if chosen.chart:
        chosen.chart.write_text(chart.svg(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
