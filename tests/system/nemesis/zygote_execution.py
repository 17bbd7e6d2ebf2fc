"""What an execution of zygote_reader.py runs: imports modules, and says which versions of them it has."""

import importlib
import sys

import bifrost_cache

from nemesis.history import now, version_in

# What the process counted, and what that says of the answers: the first that applies.
SOURCES = [("stale_serves", "stale"), ("unknown", "unknown"), ("redis_errors", "unknown"), ("breaker_refusals", "unknown"),
           ("retained_serves", "retained"), ("fallbacks", "redis")]


def source_of(rose):
    return next((source for counter, source in SOURCES if rose.get(counter)), "shm")


def read(keys):
    # A child counts from zero: this is what its begin_execution() went by when it kept what its template had imported.
    at_begin = bifrost_cache.stats()
    begun_from = at_begin["source"]
    compared = source_of(at_begin)
    return [read_one(key, begun_from, compared) for key in keys]


def read_one(key, begun_from, compared):
    warm = key in sys.modules
    before = bifrost_cache.stats()
    version, text = None, ""
    try:
        module = importlib.import_module(key)
        content = module.__loader__.get_data(module.__file__).decode()
        version = version_in(key, content)
        if version is None or version != module.VERSION:
            version, text = None, f"{content!r}, executed as {module.VERSION}"
    except ModuleNotFoundError:
        pass
    except (ImportError, OSError):
        return {"key": key, "version": None, "ended": now(), "source": "unknown"}
    after = bifrost_cache.stats()
    rose = {k: v - before[k] for k, v in after.items() if isinstance(v, int) and k != "generation"}
    source = compared if warm else source_of(rose)
    if begun_from == "stale":
        source = "stale"
    return {"key": key, "version": version, "ended": now(), "source": source, "text": text, "fresh": begun_from == "shm"}
