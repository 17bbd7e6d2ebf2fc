"""From samples to figures: medians, spread, ratios of the same round, and the budgets that are judged by them."""

import dataclasses
import math
import statistics

from variants import PEER
from workloads import BUDGETED

OURS = "agent-code"


def summarise(samples):
    """{variant: figures} of {variant: samples}; seconds and bytes, per worker; ratios are those to warm .pyc files.

    A ratio is the median of the ratios of each round, taken moments apart: what slows down the machine for longer than
    a round does not show in it.
    """
    peer = samples.get(PEER)
    return {key: _figures(taken, peer) for key, taken in samples.items()}


def _figures(taken, peer):
    figures = {
        "makespan": statistics.median(sample["makespan"] for sample in taken),
        "wall": statistics.median(_of_round(taken, "wall")),
        "wall_quartiles": quartiles(_of_round(taken, "wall")),
        "cpu": statistics.median(_of_round(taken, "cpu")),
    }
    for what in ("pss", "private", "peak"):
        figures[what] = statistics.median(_of_round(taken, what))
    if peer is not None:
        figures["ratio"] = ratio(taken, peer, "makespan")
        figures["cpu_ratio"] = ratio(taken, peer, "cpu")
    return figures


def _of_round(taken, what):
    """One figure per round: the median of its workers."""
    return [statistics.median(sample[what]) for sample in taken]


def quartiles(values):
    if len(values) < 2:
        return [values[0], values[0]]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [first, third]


def ratio(taken, peer, what):
    """Of two variants' samples: the median over the rounds."""
    rounds = zip(taken, peer, strict=True)
    return statistics.median(_total(ours, what) / _total(theirs, what) for ours, theirs in rounds)


def _total(sample, what):
    value = sample[what]
    return sum(value) if isinstance(value, list) else value


@dataclasses.dataclass
class Budget:
    """`value` is None when this run cannot tell; `why` then says what is missing."""

    what: str
    peer: str
    reach: float
    limit: float
    value: float | None
    why: str = ""

    @property
    def verdict(self):
        if self.value is None:
            return f"not measured: {self.why}"
        return "met" if self.value <= self.reach else "MISSED"


def budgets(result):
    """Every import budget, from the runs with one worker. (design: the ratios to reach and the limits we know of)"""
    found = [
        _applications(result, "warm .pyc files", "pyc", 0.75, 0.64),
        _applications(result, "dict of marshal blobs (oracle)", "dict", 0.88, 0.75),
        _applications(result, "redis-py hook: GET, compile", "redis", 0.25, 0.18),
        _single(result, "tiny", "1,020 tiny modules", "makespan", 0.35, 0.25),
        _single(result, "sdk", "4 MB SDK: memory growth (PSS)", "pss", 1.05, 1.00),
    ]
    foreign = (result["finding"] or {}).get("foreign_import")
    found.append(Budget("import of a foreign module, hook installed", "not installed", 1.01, 1.00,
                        foreign and foreign["ratio"], "the part `finding` did not run"))
    return found


def _applications(result, peer_title, peer, reach, limit):
    ratios, missing = [], []
    for name in BUDGETED:
        samples = samples_of(result, name, 1)
        if OURS in samples and peer in samples:
            ratios.append(ratio(samples[OURS], samples[peer], "makespan"))
        else:
            missing.append(name)
    value = math.exp(statistics.fmean(map(math.log, ratios))) if not missing else None
    return Budget("applications, geometric mean", peer_title, reach, limit, value, _why(missing, peer))


def _single(result, name, title, what, reach, limit):
    samples = samples_of(result, name, 1)
    if OURS in samples and PEER in samples:
        return Budget(title, "warm .pyc files", reach, limit, ratio(samples[OURS], samples[PEER], what))
    return Budget(title, "warm .pyc files", reach, limit, None, _why([name], PEER))


def _why(names, peer):
    return f"needs {', '.join(names)} with 1 worker, {OURS} and {peer}" if names else ""


def samples_of(result, workload, workers):
    """{variant: samples}; empty when this run has none."""
    for entry in result["workloads"]:
        if entry["name"] == workload:
            for run in entry["runs"]:
                if run["workers"] == workers:
                    return run["samples"]
    return {}
