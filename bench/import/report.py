"""The tables that people read."""

import statistics

from summary import budgets
from variants import BY_KEY, VARIANTS

MIB = 1 << 20
WIDTH = 118


def head(result):
    return f"Import beside its peers; {result['machine']}\n{result['setup']}\n"


def summary(result):
    """What follows the workloads: costs before the first import, finding, budgets."""
    lines = _preparation(result)
    if result["finding"]:
        lines += _finding(result["finding"])
    return "\n".join([*lines, *_budgets(result)])


def workload(entry):
    """The tables of one workload."""
    lines = [f"== {entry['title']}: {entry['modules']} modules imported, {entry['files']} served with "
             f"{entry['source_bytes'] / 1e6:.2f} MB of source"]
    for key, used in entry["segment"].items():
        lines.append(f"   segment, {BY_KEY[key].title}: {used / entry['source_bytes']:.2f} bytes per byte of source")
    for run in entry["runs"]:
        lines += ["", *_run(run)]
    return "\n".join([*lines, ""])


def _run(run):
    several = run["workers"] > 1
    elapsed = "all ms" if several else "wall ms"
    head = (f"   {_count(run['workers'])}, {run['rounds']} rounds".ljust(36) +
            f"{elapsed:>9} {'/ .pyc':>7}   {'wall of one, quartiles':>22} {'CPU ms':>9} {'/ .pyc':>7}"
            f"   {'PSS':>7} {'private':>7} {'peak':>7}  MiB")
    lines = [head, "   " + "-" * (len(head) - 3)]
    for variant in VARIANTS:
        figures = run["figures"].get(variant.key)
        if figures is None:
            continue
        low, high = figures["wall_quartiles"]
        lines.append(f"   {variant.title:<33}{ms(figures['makespan']):>9} {figures['ratio']:>7.2f}   "
                     f"{ms(low) + ' - ' + ms(high):>22} {ms(figures['cpu']):>9} {figures['cpu_ratio']:>7.2f}   "
                     + " ".join(f"{figures[what] / MIB:>7.1f}" for what in ("pss", "private", "peak")))
    return lines


def _count(workers):
    return "1 worker" if workers == 1 else f"{workers} workers at once"


def _preparation(result):
    """What a worker pays before its first import; it is outside of the figures above."""
    costs = {}
    for entry in result["workloads"]:
        for run in entry["runs"]:
            if run["workers"] != 1:
                continue
            for samples in run["samples"].values():
                for sample in samples:
                    for what, seconds in sample["prepared"][0].items():
                        costs.setdefault(what, []).append(seconds)
    if not costs:
        return []
    titles = {"package": "import bifrost_cache", "hook": "install_virtual_import_hook()", "begin_execution":
              "begin_execution(), read-your-writes", "client": "the peer: import redis, for a hook in Python"}
    medians = {what: statistics.median(costs[what]) for what in titles if what in costs}
    lines = ["== Before the first import, once per process (not in the figures above)"]
    lines += [f"   {titles[what]:<46}{ms(seconds):>9} ms" for what, seconds in medians.items()]
    if {"package", "hook", "client"} <= medians.keys():
        ratio = (medians["package"] + medians["hook"]) / medians["client"]
        lines.append(f"   package and hook beside the peer{ratio:>23.3f}")
    return [*lines, ""]


def _finding(finding):
    lines = ["== find_spec, one name at a time", f"   {'':<44}{'ns':>9}   {'PathFinder on files':>20} {'ratio':>7}"]
    for row in finding["names"]:
        lines.append(f"   {row['what']:<44}{row['ours_ns']:>9.0f}   {row['files_ns']:>20.0f} "
                     f"{row['ours_ns'] / row['files_ns']:>7.3f}")
    lines += ["", "   whole import of one foreign module"]
    foreign = finding["foreign_import"]
    lines.append(f"   hook installed {foreign['with_us']:.2f} us, not installed {foreign['without_us']:.2f} us, "
                 f"ratio {foreign['ratio']:.4f} (quartiles of {foreign['processes']} processes "
                 f"{foreign['quartiles'][0]:.4f} - {foreign['quartiles'][1]:.4f})")
    return [*lines, ""]


def _budgets(result):
    lines = [f"{'budget':<44} {'beside':<32} {'value':>6} {'reach':>8} {'limit':>6}", "-" * WIDTH]
    for budget in budgets(result):
        value = "" if budget.value is None else f"{budget.value:.3f}"
        lines.append(f"{budget.what:<44} {budget.peer:<32} {value:>6} {'<= ' + format(budget.reach, '.2f'):>8} "
                     f"{budget.limit:>6.2f}   {budget.verdict}")
    return lines


def ms(seconds):
    return f"{seconds * 1000:.1f}" if seconds >= 0.0995 else f"{seconds * 1000:.2f}"
