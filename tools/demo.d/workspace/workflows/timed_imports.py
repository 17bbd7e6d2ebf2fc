"""How long imports take in a process that has done none of them yet."""

import importlib
import sys
import time


def run(names, beforehand, counted):
    """Imports `beforehand` untimed, then `names` timed; modules below the packages `counted` are what it is about."""
    for name in beforehand:
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # private to some package: imported by it or not at all
    before = set(sys.modules)
    start = time.perf_counter()
    for name in names:
        importlib.import_module(name)
    seconds = time.perf_counter() - start
    new = [name for name in sys.modules if name not in before]
    ours = [name for name in new if name.partition(".")[0] in counted]
    return {"seconds": seconds, "modules": len(ours), "others": [name for name in new if name not in ours]}
