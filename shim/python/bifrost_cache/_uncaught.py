"""Prints an uncaught exception that has frames in the workspace, with the lines that ran. Imported only for that.

`original` is the interpreter's own hook, which gets every other exception.
"""

import sys
import threading
import traceback

from ._shim import VirtualModuleLoader

_MOST_EXCEPTIONS = 100


def show(original, exc_type, exc, tb):
    """In the place of sys.excepthook."""
    if sys.stderr is None or not _concerns_workspace(exc, tb):
        original(exc_type, exc, tb)
    else:
        _print(exc_type, exc, tb)


def show_in_thread(original, args):
    """In the place of threading.excepthook."""
    if (
        args.exc_type is SystemExit
        or sys.stderr is None
        or not _concerns_workspace(args.exc_value, args.exc_traceback)
    ):
        original(args)
        return
    name = args.thread.name if args.thread is not None else threading.get_ident()
    print(f"Exception in thread {name}:", file=sys.stderr)
    _print(args.exc_type, args.exc_value, args.exc_traceback)
    sys.stderr.flush()


def _print(exc_type, exc, tb):
    # The interpreter shows the last frames that sys.tracebacklimit allows, traceback by itself the first.
    limit = getattr(sys, "tracebacklimit", None)
    last = -limit if isinstance(limit, int) and limit > 0 else None
    traceback.print_exception(exc_type, exc, tb, limit=last)


def _concerns_workspace(exc, tb):
    """Whether a frame of the exception, of a cause or of a context is a workspace module's."""
    pending, seen = [(exc, tb)], set()
    while pending and len(seen) < _MOST_EXCEPTIONS:
        exc, tb = pending.pop()
        seen.add(id(exc))
        while tb is not None:
            if isinstance(tb.tb_frame.f_globals.get("__loader__"), VirtualModuleLoader):
                return True
            tb = tb.tb_next
        others = [getattr(exc, "__cause__", None), getattr(exc, "__context__", None), *getattr(exc, "exceptions", ())]
        pending += [(other, other.__traceback__) for other in others if other is not None and id(other) not in seen]
    return False
