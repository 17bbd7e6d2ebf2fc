"""The process that runs one execution: forked from a template, never returns into it."""

import atexit
import contextlib
import gc
import multiprocessing
import os
import sys
import threading
import time
import traceback

from .. import _shim, _target, worker
from . import _messages, _patterns

# Exit code of a child that could not even begin.
_BROKEN = 70
# What the interpreter ends with when it cannot flush its streams.
_NOT_FLUSHED = 120
# Of an exit code: it goes through a C long.
_MOST_CODE = 1 << 63
# How many collections of new objects may go by before older ones are looked at.
_WHILE_IMPORTING = 100_000


def run(template, wait_for_order):
    """In the child. `template` is the serving object that it has a copy of; wait_for_order() gives the packed order and
    its descriptors, (None, []) for none."""
    code = _BROKEN
    try:
        _become_own_process(template)
        packed, descriptors = wait_for_order()
        if not descriptors:
            os._exit(0)
        code = _execute(template, packed, *descriptors)
    except SystemExit as end:
        code = _code_of(end)
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        _end(code)


def _become_own_process(template):
    # First of all, so that no template's end is missed.
    _shim.end_with_parent(template.process)
    os.setpgid(0, 0)
    template.forget_in_child()
    threading.main_thread()._set_native_id()  # as multiprocessing does
    # `random` does this by itself.
    numpy_seed = getattr(sys.modules.get("numpy.random"), "seed", None)  # some put a stub there
    if numpy_seed is not None:
        numpy_seed()


def _execute(template, packed, channel, stdout, stderr, *more):
    """The exit code."""
    for number, descriptor in enumerate((stdout, stderr), start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    _shim.watch_imports()
    execution = _shim.begin_unless_changed(template.roots)
    if execution is None:
        os.write(channel, _messages.CHANGED)
        os._exit(0)
    order = _messages.unpacked_order(packed, more)
    try:
        os.write(channel, _messages.BEGUN)
    except BrokenPipeError:
        os._exit(0)  # nobody waits for it any more, and somebody else may run it
    multiprocessing.current_process().name = worker.process_name(order["target"])
    _adopt(order)
    compiled = []

    def load(target):
        function = _load(target)
        compiled.extend(_patterns.compiled_since_mark())
        return function

    reply = worker.reply_of(order["target"], order["kwargs"], load)
    reply["imported"] = _shim.watched_imports()
    reply["failed"] = _shim.failed_imports()
    reply["compiled"] = compiled
    with contextlib.suppress(BrokenPipeError):  # of a caller that was cancelled meanwhile
        _write(channel, _messages.framed(reply))
    os.close(channel)
    return 0


def _load(target):
    """While modules are executed, and for a while afterwards, the collector looks at new objects only: each look at all
    that was made costs as much as a tenth of the imports. A module that sets the thresholds itself has the last
    word."""
    new, older, oldest = gc.get_threshold()
    meanwhile = new, max(older, _WHILE_IMPORTING), oldest
    gc.set_threshold(*meanwhile)
    try:
        return _target.load(target)
    finally:
        if gc.get_threshold() == meanwhile:
            gc.set_threshold(new, older + gc.get_count()[1], oldest)


def _write(channel, data):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(channel, rest) :]


def _adopt(order):
    """What a spawned child would have of its parent by now, where it is not what it was when the template started."""
    for name, value in order["environment"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "TZ" in order["environment"]:
        time.tzset()
    if order["directory"] is not None:
        os.chdir(order["directory"])
    if order["path"] is not None:
        sys.path[:] = order["path"]
        _shim.install_virtual_import_hook()  # its entry is not in the path of a parent that has no hook


def _code_of(end):
    """As the interpreter has it."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return (end.code if -_MOST_CODE <= end.code < _MOST_CODE else -1) & 0xFF
    with contextlib.suppress(Exception):
        print(end.code, file=sys.stderr)
    return 1


def _end(code):
    """What the end of an interpreter does that others can notice; not the rest, which would write to every page."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        # The process' own streams as well: what replaced them may write there, or hold what was there before.
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            if stream is not None and not _flushed(stream):
                code = code or _NOT_FLUSHED
        _shim.report()
    except BaseException:
        code = code or 1
    finally:
        os._exit(code)


def _flushed(stream):
    try:
        stream.flush()
    except (AttributeError, ValueError):  # somebody else's object, or closed
        return True
    except Exception:
        return False
    return True
