"""A process that reads modules through the import system's own objects and notes down what it got. Ends with its stdin.

reader.py NAME HISTORY MODE SEED KEY...     MODE: execution (begin_execution each round) or outside (never)
"""

import random
import select
import sys

import bifrost_cache

from nemesis.history import Read, line_of, now, version_in

name, history_path, mode, seed, *keys = sys.argv[1:]
randomness = random.Random(int(seed))
finder = bifrost_cache.install_virtual_import_hook()


def source_since(before):
    """Who answered, by what the process counted."""
    after = bifrost_cache.stats()
    rose = {k for k, v in after.items() if isinstance(v, int) and v > before.get(k, 0)}
    if "stale_serves" in rose:
        return "stale"
    if rose & {"unknown", "redis_errors", "breaker_refusals"}:
        return "unknown"
    if "retained_serves" in rose:
        return "retained"
    return "redis" if "fallbacks" in rose else "shm"


def read(key, begun, **more):
    before = bifrost_cache.stats()
    try:
        spec = finder.find_spec(key)
        content = spec.loader.get_data(spec.origin).decode() if spec and spec.loader else None
    except ImportError:
        return Read(name, key, None, begun, now(), "unknown", **more)
    ended = now()
    version = None if content is None else version_in(key, content)
    text = content if content is not None and version is None else ""
    return Read(name, key, version, begun, ended, source_since(before), text=text, **more)


def one_round(number, out):
    if mode == "outside":
        for key in randomness.sample(keys, min(8, len(keys))):
            out.write(line_of(read(key, now())))
        return
    fresh = randomness.random() < 0.5
    begun = now()
    execution = bifrost_cache.begin_execution(fresh=fresh, timeout=1.0)
    for key in randomness.sample(keys, len(keys)):
        got = read(key, begun, fresh=fresh, execution=number)
        if execution.source == "stale":
            got.source = "stale"
        elif execution.source == "redis":
            got.fresh = False
        out.write(line_of(got))


with open(history_path, "w") as out:
    number = 0
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        number += 1
        one_round(number, out)
        out.flush()
