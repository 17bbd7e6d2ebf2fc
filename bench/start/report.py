"""The tables that people read, and the budgets."""

import math

from ways import WAYS

MIB = 1 << 20
BUDGETED = ["django", "flask", "sqlalchemy", "sympy"]
# What, of which way, which figure, how much at most.
BUDGETS = [
    ("start, modules warm, to spawn with .pyc", "zygote-modules", "ratio", 0.06),
    ("start, code warm, to spawn with .pyc", "zygote-code", "ratio", 0.50),
    ("start, modules warm, to a bare fork", "zygote-modules", "to_bare_fork", 2.5),
    ("private memory, modules warm, to spawn with .pyc", "zygote-modules", "private_ratio", 0.20),
    ("right after an edit, modules warm, to warm=none", "zygote-modules", "after_edit_ratio", 1.15),
    ("eight at once, modules warm, to spawn with .pyc", "zygote-modules", "at_once_ratio", 0.08),
]


def head(result):
    return f"Start to first line. {result['machine']}; load before the run {result['load']:.1f}\n"


def workload(entry):
    lines = [f"{entry['title']}: {entry['modules']} modules, {entry['source_bytes'] / MIB:.1f} MiB of sources", "",
             f"{'':<64}{'ms':>8}{'quartiles':>16}{'ratio':>8}{'forks':>7}{'private':>10}{'8 at once':>11}{'ratio':>7}"]
    for way, f in entry["figures"].items():
        low, high = (1000 * value for value in f["quartiles"])
        lines.append(f"{WAYS[way]:<64}{1000 * f['seconds']:>8.1f}{f'{low:.1f} to {high:.1f}':>16}{f['ratio']:>8.3f}"
                     f"{f['to_bare_fork']:>7.1f}{f['private'] / MIB:>7.1f} MiB{1000 * f['at_once']:>8.0f} ms{f['at_once_ratio']:>7.3f}")
    lines += ["", "Right after an edit of a module that the workflow imports, and the executions after that, ms:"]
    for way, f in entry["figures"].items():
        if "after_edit" in f:
            times = "".join(f"{1000 * value:>9.1f}" for value in f["after_edit"])
            lines.append(f"{WAYS[way]:<40}{times}   first to warm=none: {f['after_edit_ratio'][0]:.2f}")
    return "\n".join([*lines, ""])


def budgets(result):
    """[{what, limit, worst, mean, met}]; a budget is met when every application keeps it."""
    rows = []
    for what, way, figure, limit in BUDGETS:
        values = {}
        for entry in result["workloads"]:
            if entry["name"] in BUDGETED:
                value = entry["figures"][way][figure]
                values[entry["name"]] = value[0] if isinstance(value, list) else value
        if values:
            mean = math.exp(sum(map(math.log, values.values())) / len(values))
            rows.append({"what": what, "limit": limit, "values": values, "mean": mean, "met": max(values.values()) <= limit})
    return rows


def summary(result):
    lines = [f"{'budget':<56}{'at most':>9}{'mean':>8}  each"]
    for row in budgets(result):
        each = ", ".join(f"{name} {value:.3f}" for name, value in row["values"].items())
        lines.append(f"{row['what']:<56}{row['limit']:>9}{row['mean']:>8.3f}  {each}  {'met' if row['met'] else 'NOT MET'}")
    return "\n".join(lines)
