"""Regular expressions that modules compile while they are imported, compiled in advance.

A compiled pattern is like a code object: immutable, and the same for the same text and flags; and `re` remembers it. So
a template compiles what its executions have compiled, and they find it: 2 to 9 % of the imports of some applications
(docs/design/0088). What an execution compiles after its imports is not looked at: it may be made of an execution's data.
"""

import itertools
import re
import time
import warnings

from ._demand import MOST_PATTERNS

_MOST_CHARACTERS = 2048  # of one; longer ones are compiled by each execution
_MOST_S = 2.0  # then the rest is left to executions


def _remembered():
    """{(type, pattern, flags): compiled}, the newest last. `re` has no public name for it; where it has no such thing,
    nothing is learned."""
    cache = getattr(re, "_cache", None)
    return cache if isinstance(cache, dict) else {}


def count():
    return len(_remembered())


def compiled_since(earlier):
    """[(pattern, flags)], the newest last, at most MOST_PATTERNS: since count() was `earlier`. Fewer when `re` has begun to
    forget."""
    try:
        newest = list(itertools.islice(reversed(_remembered()), max(0, min(MOST_PATTERNS, count() - earlier))))
    except RuntimeError:
        return []  # a thread that some module has started compiles just now
    return [key[1:] for key in reversed(newest) if key[0] in (str, bytes) and len(key[1]) <= _MOST_CHARACTERS]


def compile_all(patterns):
    """What fails or warns is left to executions, which are to hear of it."""
    until = time.monotonic() + _MOST_S
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pattern, flags in patterns:
            if time.monotonic() > until:
                return
            try:
                re.compile(pattern, flags)
            except Exception:
                pass
