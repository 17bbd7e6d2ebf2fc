"""Do fences, updates and imports keep their budgets while a million lines compile? Started by `run`.

One round is: writes and fences beside Redis' own times (freshness-bench), then one fresh worker that imports the 1,020
tiny modules from the mirror and one that imports them from warm .pyc files. Rounds are taken on the idle node, then
again from the moment that the large workspace is in the mirror until its last module has code. A round that ends after
that does not count.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "import"))

import paths  # noqa: E402, F401, I001, before what it makes importable
import sampling  # noqa: E402
import workloads  # noqa: E402
from generated import large_workspace  # noqa: E402
from harness import Failed, expect  # noqa: E402
from measure import machine  # noqa: E402
from stage import COMPILE_DEADLINE_S, Stage  # noqa: E402
from variants import BY_KEY  # noqa: E402

NODE = "agent-code"
WRITES = 200  # per round
BUDGETS = [  # title, ours, its peer, reach
    ("write sent to visible, p50 / PUBLISH to delivered", "visible", "pubsub", 3.0),
    ("fence, p50 / PING", "fence", "ping", 2.0),
    ("fence of a fresh process, p50 / connect and PING", "first_fence", "first_ping", 2.0),
    ("import of 1,020 tiny modules / warm .pyc", "mirror", "files", 0.35),
]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/background/run", description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the workspace that is compiled")
    parser.add_argument("--rounds", type=int, default=7, help="on the idle node")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every sample")
    return parser.parse_args()


def one_round(stage, build):
    """{what: microseconds}"""
    node = stage.nodes[NODE]
    program = subprocess.run([build / "bin/freshness-bench", stage.origin.redis.socket, node.segment_dir, str(WRITES)],
                             capture_output=True, text=True, timeout=COMPILE_DEADLINE_S)
    expect(program.returncode == 0, f"freshness-bench: {program.stderr.strip()}")
    latency = json.loads(program.stdout)
    measured = ("visible", "pubsub", "fence", "ping", "first_fence", "first_ping")
    taken = {what: latency[f"{what}_us"]["p50"] for what in measured}
    for what, key in (("mirror", NODE), ("files", "pyc")):
        taken[what] = sampling.sample(stage, BY_KEY[key], 1)["wall"][0] * 1e6
    return taken


def with_code(node):
    return sum(node.status()["code"].values())


def while_compiling(stage, build, sources):
    """(rounds, seconds from the last module in the mirror to the last one with code)"""
    node = stage.nodes[NODE]
    with tempfile.TemporaryDirectory(prefix="bifrost-bench-lines-") as directory:
        for path, source in sources.items():
            file = pathlib.Path(directory, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        stage.origin.cachectl.text("push", directory)
    node.wait("--fresh")
    start = time.monotonic()
    first, rounds = with_code(node), []
    # What freshness-bench writes is a module more.
    total = len(stage.blobs) + len(sources)
    while True:
        expect(time.monotonic() - start < COMPILE_DEADLINE_S, f"not compiled within {COMPILE_DEADLINE_S} s")
        taken = one_round(stage, build)
        taken["with_code"] = with_code(node)
        if taken["with_code"] >= total:
            return rounds, first, time.monotonic() - start
        rounds.append(taken)


def row(title, idle, busy, ours, peer, reach):
    def ratio(rounds):
        return statistics.median(taken[ours] / taken[peer] for taken in rounds)

    def both(rounds):
        return " / ".join(f"{statistics.median(taken[what] for taken in rounds):.0f}" for what in (ours, peer))

    missed = [name for name, rounds in (("idle", idle), ("compiling", busy)) if ratio(rounds) > reach]
    verdict = f"MISSED {' and '.join(missed)}" if missed else ""
    return (f"{title:<52} {both(idle):>16} {ratio(idle):>6.2f}   {both(busy):>16} {ratio(busy):>6.2f}   <= {reach:<5}"
            f"{verdict}")


def measure(options, build):
    with Stage(build, workloads.load("tiny"), [NODE]) as stage:
        stage.fill()
        sampling.learn(stage, BY_KEY["pyc"])
        idle = [one_round(stage, build) for _ in range(options.rounds)]
        sources = large_workspace(options.lines)
        busy, first, seconds = while_compiling(stage, build, sources)
    return {"machine": machine(), "lines": sum(source.count("\n") for source in sources.values()),
            "modules": len(sources), "compiled_before_the_clock": first - len(stage.blobs), "seconds": seconds,
            "idle": idle, "compiling": busy}


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    options = arguments()
    try:
        result = measure(options, pathlib.Path(os.environ["BIFROST_BUILD_DIR"]))
        expect(result["compiling"], "everything was compiled before one round was over: take more --lines")
    except Failed as failure:
        print(f"bench/background: {failure}", file=sys.stderr)
        return 1
    print(f"{result['machine']}\n{result['lines']:,} lines in {result['modules']:,} modules: the last had code after "
          f"{result['seconds']:.1f} s ({max(0, result['compiled_before_the_clock']):,} while they were pushed); "
          f"{len(result['compiling'])} rounds meanwhile, {len(result['idle'])} on the idle node; medians, us\n")
    print(f"{'':<52} {'idle':>16} {'ratio':>6}   {'compiling':>16} {'ratio':>6}   reach")
    for budget in BUDGETS:
        print(row(budget[0], result["idle"], result["compiling"], *budget[1:]))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
