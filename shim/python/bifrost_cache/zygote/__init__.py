"""Executions that begin in a thirtieth of the time: forked from a template instead of started by spawn.

    with Zygote() as zygote:
        result = zygote.execute("pkg.mod:function", {"n": 3}, timeout=60)

For platforms that have a template process of their own: warm(). docs/warm-start.md says which of the two, what differs
from a spawned process, and what to keep cold.
"""

from ._warm import Warmed, warm
from ._zygote import Zygote

__all__ = ["Warmed", "Zygote", "warm"]
