"""One worker process: `worker.py ORDER`, a JSON file. Prepares, then imports when told to, and says what that cost.

Reads one word a line from stdin and answers each with one line of JSON:

    (start)  after everything that is not measured: foreign modules imported, the place under test installed
    before   memory, before the import
    go       imports the entries; seconds and CPU seconds
    after    memory, after the import

Everything but the place that modules come from is the same in every variant.
"""

import gc
import importlib
import json
import marshal
import os
import resource
import sys
import time


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    # What modules print must not disturb the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    here = sys.path.pop(0)
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("-packages")] + [order["rest"]]

    for name in order["beforehand"]:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # private to some package: imported by it or not at all
    sys.path.insert(0, here)
    preparation = PLACES[order["place"]](order)
    sys.path.remove(here)

    actions = {"before": memory_before, "go": lambda: run(order), "after": memory}
    gc.collect()
    answer = {"prepared": preparation}
    while True:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        word = sys.stdin.readline().strip()
        if not word:
            return
        answer = actions[word]()


# --- where modules come from; each answers with what installing it cost, in seconds ---


def from_path(order):
    sys.path.insert(0, order["path"])
    return {}


def from_mirror(order):
    sys.path.insert(0, order["package"])
    start = time.perf_counter()
    from bifrost_cache import begin_execution, install_virtual_import_hook

    imported = time.perf_counter()
    sys.path.remove(order["package"])
    hook = time.perf_counter()
    install_virtual_import_hook(**order["settings"])
    installed = time.perf_counter()
    execution = begin_execution(timeout=5)
    begun = time.perf_counter()
    if execution.source != "shm":
        raise RuntimeError(f"the mirror is not in use: {execution.source}")
    return {"package": imported - start, "hook": installed - hook, "begin_execution": begun - installed}


def from_redis(hook):
    def install(order):
        import peers

        sys.path.insert(0, order["redis_py"])
        start = time.perf_counter()
        import redis

        imported = time.perf_counter()
        sys.path.remove(order["redis_py"])
        sys.meta_path.insert(0, getattr(peers, hook)(redis.Redis(unix_socket_path=order["redis_socket"])))
        return {"client": imported - start}

    return install


def from_dict(finder):
    def install(order):
        import peers

        with open(order["blobs"], "rb") as file:
            sys.meta_path.insert(0, getattr(peers, finder)(marshal.load(file)))
        return {}

    return install


PLACES = {
    "path": from_path,
    "mirror": from_mirror,
    "redis": from_redis("PlainHook"),
    "redis-marshal": from_redis("MarshalHook"),
    "dict": from_dict("DictOfBlobs"),
    "dict-code": from_dict("DictOfCode"),
}

# --- what is measured ---


def run(order):
    entries = [entry.partition(":")[::2] for entry in order["entries"]]
    modules = sys.modules
    known = set(modules)
    gc.collect()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    for name, function in entries:
        __import__(name)
        if function:
            getattr(modules[name], function)()
    end = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_SELF)
    new = [name for name in modules if name not in known]
    return {
        "start": start,
        "end": end,
        "cpu": after.ru_utime - usage.ru_utime + after.ru_stime - usage.ru_stime,
        "modules": sorted(new),
        "mirrored": mirrored(new),
    }


def mirrored(names):
    """How often each kind of content was executed, code or source; None without our hook."""
    ours = sys.modules.get("bifrost_cache")
    if ours is None:
        return None
    kinds = {}
    loaded = ours.loaded()
    for name in names:
        if name in loaded:
            kinds[loaded[name].source] = kinds.get(loaded[name].source, 0) + 1
    return kinds


def memory_before():
    """As memory(); from here on the peak counts."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return memory()


def memory():
    """Bytes: proportional, private and resident, and the highest resident so far."""
    wanted = {"Pss": "pss", "Private_Clean": "private", "Private_Dirty": "private", "VmRSS": "resident",
              "VmHWM": "peak"}
    sizes = dict.fromkeys(wanted.values(), 0)
    for path in ("/proc/self/smaps_rollup", "/proc/self/status"):
        with open(path) as lines:
            for line in lines:
                key, _, rest = line.partition(":")
                if key in wanted:
                    sizes[wanted[key]] += int(rest.split()[0]) * 1024
    return sizes


if __name__ == "__main__":
    main()
