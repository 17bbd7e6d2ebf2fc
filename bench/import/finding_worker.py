"""One process: `finding_worker.py ORDER`, a JSON file. Answers with one line of JSON.

Both sides run in this process, in turns, on the same names. Names are timed by the wall clock, in batches; whole
imports by CPU time, as their difference is far below what other processes take away.
"""

import gc
import importlib
import importlib.machinery
import json
import statistics
import sys
import time

# Modules from files, as any program imports them; none has effects beyond itself, so they can be imported again.
FOREIGN = ["jinja2", "jinja2.ext", "jinja2.sandbox", "colorsys", "quopri", "sched", "stringprep"]
FOREIGN_ROOTS = {name.partition(".")[0] for name in FOREIGN} | {"markupsafe"}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    sys.path[:] = [entry for entry in sys.path[1:] if not entry.endswith("-packages")] + [order["rest"]]
    sys.path.insert(0, order["package"])
    import bifrost_cache

    sys.path.remove(order["package"])

    def install():
        bifrost_cache.install_virtual_import_hook(**order["settings"])

    files = [order["files"], *sys.path]
    install()
    bifrost_cache.begin_execution(timeout=5)
    workspace = order["settings"]["workspace"]
    places = [(bifrost_cache.get_virtual_finder(), None, workspace),
              (importlib.machinery.PathFinder, files, order["files"])]
    names = {what: compare(found, names, places, order["batches"])
             for what, (found, names) in kinds(order["entries"]).items()}
    foreign = foreign_import(install, bifrost_cache.remove_virtual_import_hook, order["rounds"])
    print(json.dumps({"names": names, "foreign": foreign}))


def kinds(entries):
    """{kind: (who finds it, names)}, about a thousand names each."""
    packages = [name for name in entries if "." not in name]
    modules = [name for name in entries if "." in name]
    return {
        "hit: a module of a package": ("both", modules),
        "hit: a top-level package": ("both", packages * 50),
        "miss: a module that its package does not have": ("nobody", [f"{name}_absent" for name in modules]),
        "miss: a top-level name that nobody has": ("nobody", [f"absent{number}" for number in range(1000)]),
        "foreign: the standard library's": ("files", ["colorsys", "decimal", "wsgiref", "sched"] * 250),
        "foreign: an installed package's": ("files", ["jinja2", "redis", "markupsafe", "sqlalchemy"] * 250),
    }


def compare(found, names, places, batches):
    """Nanoseconds per find_spec: our finder's, and PathFinder's for the same names on files. The loop is taken off."""
    calls = [(finder.find_spec, [(name, place(name, top, directory)) for name in names])
             for finder, top, directory in places]
    finders = [sum(is_found(find(name, path)) for name, path in pairs) / len(names) for find, pairs in calls]
    if finders != {"both": [1, 1], "files": [0, 1], "nobody": [0, 0]}[found]:
        raise RuntimeError(f"{names[0]}, ...: found by {finders}, not by {found}")
    times = {"ours_ns": [], "files_ns": [], "loop_ns": []}
    for _ in range(batches):
        for side, (find, pairs) in zip(("ours_ns", "files_ns"), calls, strict=True):
            times[side].append(timed(find, pairs))
        times["loop_ns"].append(timed_loop(calls[0][1]))
    medians = {side: statistics.median(values) / len(names) for side, values in times.items()}
    return {side: medians[side] - medians["loop_ns"] for side in ("ours_ns", "files_ns")}


def is_found(spec):
    """A spec of something to execute: a miss inside the workspace may answer with a spec that explains it."""
    return spec is not None and spec.origin is not None


def place(name, top, directory):
    """The `path` argument that importlib would pass."""
    parent = name.rpartition(".")[0]
    return [f"{directory}/{parent.replace('.', '/')}"] if parent else top


def timed(find, names):
    gc.collect()
    start = time.perf_counter_ns()
    for name, path in names:
        find(name, path)
    return time.perf_counter_ns() - start


def timed_loop(names):
    start = time.perf_counter_ns()
    for _name, _path in names:
        pass
    return time.perf_counter_ns() - start


def foreign_import(install, remove, rounds):
    """Microseconds of CPU per module with and without the hook, and the median ratio of neighbouring rounds."""
    ratios, with_hook, without_hook = [], [], []
    modules = len(import_foreign()[1])
    for number in range(rounds):
        seconds = {}
        for installed in (True, False) if number % 2 == 0 else (False, True):
            (install if installed else remove)()
            seconds[installed] = import_foreign()[0]
        ratios.append(seconds[True] / seconds[False])
        with_hook.append(seconds[True])
        without_hook.append(seconds[False])
    return {"modules": modules, "ratio": statistics.median(ratios), "with_us": microseconds(with_hook, modules),
            "without_us": microseconds(without_hook, modules)}


def import_foreign():
    """(CPU seconds, names) of importing FOREIGN afresh."""
    for name in [name for name in sys.modules if name.partition(".")[0] in FOREIGN_ROOTS]:
        del sys.modules[name]
    try:
        importlib.import_module("absent_on_every_path")  # fills the caches that a change of hooks has emptied
    except ImportError:
        pass
    known = set(sys.modules)
    gc.collect()
    start = time.process_time()
    for name in FOREIGN:
        __import__(name)
    seconds = time.process_time() - start
    return seconds, [name for name in sys.modules if name not in known]


def microseconds(seconds, modules):
    return statistics.median(seconds) / modules * 1e6


if __name__ == "__main__":
    main()
