"""Runs the report and tells where the worker's code came from."""

import os
import sys
from importlib.machinery import PathFinder

import bifrost_cache

HIDDEN = ("jinja2", "markupsafe", "docutils", "roman", "roman_numerals")


def report(customer):
    from workflows import monthly_report

    html = monthly_report.run(customer)
    mirrored = bifrost_cache.loaded()
    on_disk = [entry for entry in sys.path if entry != os.environ["BIFROST_WORKSPACE"]]
    markupsafe = sys.modules["markupsafe"]
    stats = bifrost_cache.stats()
    return {
        "html": html,
        "files": {name: sys.modules[name].__file__ for name in mirrored if name in sys.modules},
        "origins": sorted({module.source for module in mirrored.values()}),
        "importable_from_disk": [name for name in HIDDEN if PathFinder.find_spec(name, on_disk)],
        # _escape_inner since markupsafe 3
        "escape_is_from": getattr(markupsafe, "_escape_inner", markupsafe.escape).__module__,
        "source": stats["source"],
        "generation": stats["generation"],
        "questions_to_redis": stats["fallbacks"],
    }
