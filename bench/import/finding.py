"""What does finding one name cost, and what does the hook cost imports that are none of its business?"""

import json
import os
import statistics

import workloads
from sampling import Worker
from stage import Stage
from summary import quartiles
from variants import BY_KEY

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "finding_worker.py")
PROCESSES = 5


def measure(build, smoke, progress):
    """{"names": one row per kind of name, "foreign_import": the hook's effect}; medians over fresh processes."""
    with Stage(build, workloads.load("tiny"), ["agent-source"]) as stage:
        progress("finding: filling Redis and the mirror")
        stage.fill()
        answers = []
        for number in range(1 if smoke else PROCESSES):
            progress(f"finding: process {number + 1}")
            answers.append(_answer(stage, smoke))
    names = [{"what": what, **{side: _median(answers, what, side) for side in ("ours_ns", "files_ns")}}
             for what in answers[0]["names"]]
    ratios = [answer["foreign"]["ratio"] for answer in answers]
    return {
        "names": names,
        "foreign_import": {
            "modules": answers[0]["foreign"]["modules"],
            "with_us": statistics.median(answer["foreign"]["with_us"] for answer in answers),
            "without_us": statistics.median(answer["foreign"]["without_us"] for answer in answers),
            "ratio": statistics.median(ratios),
            "quartiles": quartiles(ratios),
            "processes": len(ratios),
        },
    }


def _answer(stage, smoke):
    order = json.loads(stage.order(BY_KEY["agent-source"]).read_text())
    order.update(files=str(stage.home / "pyc"), batches=3 if smoke else 11, rounds=3 if smoke else 101)
    file = stage.home / "finding.json"
    file.write_text(json.dumps(order))
    worker = Worker(PROGRAM, file)
    try:
        return worker.answer()
    finally:
        worker.close()


def _median(answers, what, side):
    return statistics.median(answer["names"][what][side] for answer in answers)
