"""Runs a function of the workspace in a process of its own.

The child is started with multiprocessing's spawn method: it shares nothing with its parent, installs the hook first
thing, begins an execution, and only then unpickles its arguments and imports the function's module.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings
from multiprocessing.connection import wait

from . import _shim, _target

__all__ = ["WorkerDied", "WorkerError", "execute"]

# How often a waiting parent looks whether the child still lives. (A grandchild may hold the pipe open.)
_LOOK_EVERY_S = 0.5
# How long a child may take to end: after its result, and after SIGTERM.
_GRACE_S = 5.0
# Between two looks at a process that is ending, and at one whose pipe says that it has.
_STEP_S, _MOMENT_S = 0.02, 0.001
_LENGTH_BYTES = 8


class WorkerDied(RuntimeError):
    """The worker process ended without a result. `exitcode` is that of multiprocessing: -N for signal N."""

    def __init__(self, message, exitcode=None):
        super().__init__(message)
        self.exitcode = exitcode


class WorkerError(RuntimeError):
    """The function's result or exception could not be brought over. `type_name` names the exception's type."""

    def __init__(self, message, type_name=None):
        super().__init__(message)
        self.type_name = type_name


class Cancelled(Exception):
    """The caller does not want it any more."""


class _ChildTraceback(Exception):
    """The cause of an exception that was raised in the child: its text is the child's traceback."""

    def __str__(self):
        return "\n" + self.args[0]


def execute(
    target: str,
    kwargs: dict[str, object] | None = None,
    *,
    timeout: float | None = None,
    solution_id: str | None = None,
    global_repo_access: bool = False,
    roots: list[str] | None = None,
) -> object:
    """Run one function of the workspace in a new process and return its result.

    Args:
        target: "pkg.mod:function" or "path/to/file.py:function". A coroutine function is run to its end.
        kwargs: Keyword arguments of the function. They travel pickled.
        timeout: Seconds; None: no limit. The process is ended when it passes.
        solution_id: As for begin_execution().
        global_repo_access: As for begin_execution().
        roots: As for begin_execution().

    Returns:
        The function's result, which travels pickled.

    Raises:
        WorkerError: The result or the exception cannot be pickled, or means nothing to this process.
        WorkerDied: The process ended without a result.
        TimeoutError: `timeout` has passed.
        TypeError: With complete=False: the fallback of this process cannot be pickled, which the process needs.
        ValueError: `target` has another form, `timeout` is negative or nan, or there can be no such scope.
        RuntimeError: This is a daemonic process of multiprocessing, which may start none.

    The function's own exception passes, with the child's traceback as its cause.

    Cost:
        The start of an interpreter, one begin_execution(), and a pickle each way.

    Since:
        0.1.0
    """
    deadline = deadline_of(timeout)
    refuse_daemonic("execute")
    _target.split(target)
    scope = _shim.roots_of(solution_id, global_repo_access, roots)
    try:
        reply = reply_of_spawned(target, pickle.dumps(kwargs or {}), scope, deadline)
    except TimeoutError:
        raise out_of_time(timeout) from None
    return result_of(target, reply)


def refuse_daemonic(instead):
    if multiprocessing.current_process().daemon:
        raise RuntimeError(f"a daemonic process of multiprocessing may start none: {instead} elsewhere")


def deadline_of(timeout):
    """None: never."""
    if timeout is None:
        return None
    if not timeout >= 0:  # nan is neither
        raise ValueError("timeout must be a number of seconds, 0 or more, or None")
    return time.monotonic() + timeout


def out_of_time(timeout):
    return TimeoutError(f"the worker did not finish within {timeout} s")


def reply_of_spawned(target, pickled, roots, deadline, cancel=None):
    """The reply of a process that is spawned for it. TimeoutError, without words, at the time `deadline` (None: never);
    Cancelled as soon as the descriptor `cancel` is ready. The process has ended in any case."""
    order = {"target": target, "kwargs": pickled, "roots": roots, **what_travels()}
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(writer, order), name=process_name(target))
    try:
        process.start()
        writer.close()
        reply = _read_reply(process, reader, deadline, cancel)
        has_let_go = not wait_until_ended(process, _grace(reply, deadline)) and reply is None
    finally:
        reader.close()
        _end(process)
    if has_let_go:
        raise WorkerDied(f"{target}: the worker closed the pipe for its result, and was ended", process.exitcode)
    if reply is None:
        raise WorkerDied(f"{target}: the worker {how_it_ended(process.exitcode)}", process.exitcode)
    return pickle.loads(reply)


def process_name(target):
    """As multiprocessing and logging have it."""
    return f"bifrost {target}"


def what_travels():
    """What begin_as_child() needs of this process."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    default, *_ = multiprocessing.get_all_start_methods()  # whoever has used it has fixed it, and chosen nothing
    return {"settings": _travelling_settings(), "start_method": "fork" if chosen in (None, default) else chosen}


def begin_as_child(order):
    """The hook first of all. And pools start their processes as the host has chosen, and by fork where that is Python's
    default: multiprocessing would have what it spawned spawn, too, or start a fork server (the default of Python 3.14),
    and such processes have no execution."""
    _shim.install_virtual_import_hook(**order["settings"])
    multiprocessing.set_start_method(order["start_method"], force=True)


def _travelling_settings():
    """The arguments of install_virtual_import_hook() for a child of this process."""
    settings = _shim.effective_settings()
    try:
        pickle.dumps(settings.get("fallback"))
    except Exception as error:
        fallback = settings.pop("fallback")
        why = f"the fallback, a {type(fallback).__qualname__}, cannot be pickled for another process: {error}"
        if not settings["complete"]:
            # Without it the child would take the module of a later root for one that only the platform's store has.
            raise TypeError(why) from error
        warnings.warn(f"{why}. Executions go without it.", RuntimeWarning, stacklevel=3)
    return settings


def _read_reply(process, reader, deadline, cancel):
    """The bytes that the child sent; None when it ended without sending all."""
    sources = [reader, process.sentinel] + ([] if cancel is None else [cancel])
    received = bytearray()
    while True:
        step = _LOOK_EVERY_S if deadline is None else min(_LOOK_EVERY_S, deadline - time.monotonic())
        if step <= 0:
            raise TimeoutError
        ready = wait(sources, step)
        if cancel in ready:
            raise Cancelled
        if reader in ready:
            chunk = os.read(reader.fileno(), 1 << 20)
            if not chunk:
                return None
            received += chunk
            if len(received) >= _LENGTH_BYTES:
                length = int.from_bytes(received[:_LENGTH_BYTES], "little")
                if len(received) - _LENGTH_BYTES >= length:
                    return bytes(received[_LENGTH_BYTES : _LENGTH_BYTES + length])
        elif has_ended(process):
            return None


def _grace(reply, deadline):
    """Seconds. With a result it may run what is registered with atexit, whatever the deadline."""
    if deadline is None or reply is not None:
        return _GRACE_S
    return max(0.0, min(_GRACE_S, deadline - time.monotonic()))


def _end(process):
    if process.pid is None:
        return
    if not has_ended(process):
        process.terminate()
    if not wait_until_ended(process, _GRACE_S):
        process.kill()
        wait_until_ended(process, _GRACE_S)


def wait_until_ended(process, seconds):
    """Whether it has. Process.join() would wait for the end of a pipe, which whatever the process has started may hold,
    and then for the process without a bound, which may have closed it and live on."""
    until = time.monotonic() + seconds
    while not has_ended(process):
        if time.monotonic() >= until:
            return False
        if wait([process.sentinel], _STEP_S):
            time.sleep(_MOMENT_S)
    process.join(0)  # without waiting: multiprocessing forgets it, and closes what it holds for it
    return True


def has_ended(process):
    """Where the host ignores SIGCHLD, or waits for all children itself, multiprocessing never learns of it."""
    if process.exitcode is not None:
        return True
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def how_it_ended(exitcode):
    if exitcode is None:
        return "ended before it had a result (this process ignores SIGCHLD, or waits for every child: no exit code)"
    if exitcode >= 0:
        return f"ended with exit code {exitcode} before it had a result"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    return f"was killed by {name}"


def result_of(target, reply):
    """What `reply`, of reply_of() in the child, holds: the result, or the exception, which is raised."""
    if reply["ok"]:
        try:
            return pickle.loads(reply["result"])
        except Exception as error:
            raise WorkerError(f"{target}: the result cannot be unpickled here: {error}") from error
    cause = _ChildTraceback(reply["traceback"])
    if reply["exception"] is not None:
        try:
            exception = pickle.loads(reply["exception"])
        except Exception:
            # Its class lives in the workspace, which this process need not see.
            exception = None
        if isinstance(exception, Exception):
            raise exception from cause
    raise WorkerError(f"{target}: {reply['type']}: {reply['message']}", reply["type"]) from cause


def _child(writer, order):
    begin_as_child(order)
    _shim.begin_execution(roots=order["roots"])
    data = pickle.dumps(reply_of(order["target"], order["kwargs"]))
    with open(writer.fileno(), "wb", closefd=False) as pipe:  # os.fdopen() of eventlet closes it
        pipe.write(len(data).to_bytes(_LENGTH_BYTES, "little"))
        pipe.write(data)
    writer.close()


def reply_of(target, kwargs, load=_target.load):
    """Runs the function with its pickled arguments: what there is to tell the parent. SystemExit and its like pass.

    What the function forks and lets come back here ends as a script does: only the process that was asked answers.
    """
    asked = os.getpid()
    try:
        result = _target.run(target, pickle.loads(kwargs), load)
        if os.getpid() != asked:
            sys.exit()
        return {"ok": True, "result": _pickled_result(target, result)}
    except Exception as error:
        if os.getpid() != asked:
            raise
        return {
            "ok": False,
            "exception": _pickled_exception(error),
            "type": type(error).__qualname__,
            "message": _text_of(error),
            "traceback": _target.traceback_text(error),
        }


def _pickled_result(target, result):
    try:
        return pickle.dumps(result)
    except Exception as error:
        raise WorkerError(f"{target}: the result, a {type(result).__qualname__}, cannot be pickled: {error}") from error


def _pickled_exception(error):
    """None unless the exception survives the journey: many take arguments that pickle does not pass on."""
    try:
        data = pickle.dumps(error)
        return data if isinstance(pickle.loads(data), Exception) else None
    except Exception:
        return None


def _text_of(error):
    try:
        return str(error)
    except Exception:
        return "<no text>"
