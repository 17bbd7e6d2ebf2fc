"""Regular expressions that modules compile while they are imported, compiled in advance.

A compiled pattern is like a code object: immutable, and the same for the same text and flags; and `re` remembers it. So
a template compiles what its executions have compiled, and they find it: 2 to 9 % of the imports of some applications
(docs/design/0088). What an execution compiles after its imports is not looked at: it may be made of an execution's
data. A pattern is a key of `re`'s own: (str or bytes, text, flags). Nothing here ever fails an execution.
"""

import itertools
import re
import time
import warnings

from ._demand import MOST_PATTERNS

_MOST_CHARACTERS = 2048  # of one; longer ones are compiled by each execution

_marked = frozenset()


def _remembered():
    """{pattern: compiled}. `re` has no public name for it; where it has no such thing, nothing is learned."""
    cache = getattr(re, "_cache", None)
    return cache if isinstance(cache, dict) else {}


def mark():
    """What has been compiled in this process, and will have been in its forks, is known. In a template, not in a child:
    looking at a key writes to its page."""
    global _marked
    _marked = frozenset(_remembered())


def compiled_since_mark():
    """[pattern], the newest last, at most MOST_PATTERNS. Fewer when `re` has begun to forget."""
    try:
        cache = _remembered()
        more = max(0, min(MOST_PATTERNS, len(cache) - len(_marked)))
        newest = list(itertools.islice((key for key in reversed(cache) if key not in _marked), more))
        return [key for key in reversed(newest) if _is_plain(*key)]
    except Exception:  # a thread that some module has started compiles just now, or a later `re` has other keys
        return []


def _is_plain(kind, text, flags):
    """It means the same in another process. Flags may be of a class that some module has made."""
    return kind in (str, bytes) and type(flags) is int and len(text) <= _MOST_CHARACTERS


def compile_all(patterns, seconds):
    """As many as there is time for. What fails or warns is left to executions, which are to hear of it."""
    until = time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module=re.escape(__name__))  # not those of other threads
        for _, text, flags in patterns:
            if time.monotonic() > until:
                return
            try:
                re.compile(text, flags)
            except Exception:
                pass
