"""Zygote: executes functions of the workspace in processes forked from templates."""

from __future__ import annotations

import asyncio
import atexit
import collections
import concurrent.futures
import dataclasses
import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Sequence

from .. import _shim, _target, worker
from ._line import Line
from ._run import Cancelled, NotStarted, Run

_DEGREES = ("modules", "code", "none")
_MOST_AT_ONCE = 256
_CLOSE_S = 15.0


@dataclasses.dataclass(frozen=True)
class _Options:
    preload: tuple
    warm: str
    cold: tuple
    max_templates: int
    start_timeout: float


@dataclasses.dataclass(frozen=True)
class _Scope:
    name: tuple  # as the caller calls it, in stats()
    roots: list


class Zygote:
    """Executes functions of the workspace, each in a process of its own, forked from a template of its scope.

    preload: names of installed modules that templates import. warm: "modules", templates also import what executions
    of the scope import; "code", they only hold its code ready; "none". cold: patterns (fnmatch) of modules that no
    template imports. max_templates: scopes that have templates at a time; the least recently used gives way.
    start_timeout: seconds for a template to become ready.

    Every execution begins with begin_execution(): it runs what was written before it, whatever its template holds. Call
    from any thread. A context manager; close() ends all its processes. ValueError: an option that makes no sense.
    """

    def __init__(self, *, preload=(), warm="modules", cold=(), max_templates=8, start_timeout=30):
        if warm not in _DEGREES:
            raise ValueError(f"warm must be one of {', '.join(_DEGREES)}, not {warm!r}")
        if isinstance(preload, str) or isinstance(cold, str):
            raise ValueError("preload and cold are sequences of names, not one name")
        if max_templates < 1 or start_timeout <= 0:
            raise ValueError("max_templates and start_timeout must be positive")
        self._options = _Options(tuple(preload), warm, tuple(cold), max_templates, start_timeout)
        self._lock = threading.Lock()
        self._lines = collections.OrderedDict()  # name of a scope: Line; the least recently used first
        self._threads = None
        self._process = os.getpid()
        self._closed = False
        # Before multiprocessing's own handler, which would wait for the templates.
        atexit.register(self.close)

    def execute(
        self,
        target: str,
        kwargs: dict[str, object] | None = None,
        *,
        timeout: float | None = None,
        solution_id: str | None = None,
        global_repo_access: bool = False,
        roots: Sequence[str] | None = None,
    ) -> object:
        """Runs `target` ("pkg.mod:function") with `kwargs` in a new process and returns its result.

        As worker.execute() in arguments, result and exceptions. When no template can be had, or it does not fork, the
        execution is one of worker.execute(): counted as `spawned`, its reason is `trouble` in stats().
        """
        scope = _scope_of(solution_id, global_repo_access, roots)
        return self._execute(target, kwargs, timeout, scope, None)

    async def execute_async(
        self,
        target: str,
        kwargs: dict[str, object] | None = None,
        *,
        timeout: float | None = None,
        solution_id: str | None = None,
        global_repo_access: bool = False,
        roots: Sequence[str] | None = None,
    ) -> object:
        """execute() for asyncio. Cancelling it ends the process."""
        scope = _scope_of(solution_id, global_repo_access, roots)
        with self._lock:
            if self._threads is None:
                self._threads = concurrent.futures.ThreadPoolExecutor(_MOST_AT_ONCE, "bifrost execution")
        kept, given = socket.socketpair()
        future = self._threads.submit(self._execute, target, kwargs, timeout, scope, given.fileno())
        future.add_done_callback(lambda _: given.close())
        try:
            return await asyncio.wrap_future(future)
        finally:
            kept.close()  # which the waiting thread notices

    def stats(self) -> dict[tuple[str | None, bool] | tuple[str, ...], dict[str, object]]:
        """Per scope, (solution_id, global_repo_access) or the roots, for those that have templates:

        `warm`, names of the modules that are imported in advance; `skipped` {name: why it is not}; `generation` of the
        templates; `executions`, of these `spawned` and `changed` (a template was out of date); `renewals`, and whether
        one is wanted or under way (`renewing`); `processes` {kind: pid} of the templates, and what they share with
        nobody (`private_bytes`), as `executions_private_bytes` of those that run now; `trouble`, the last one.
        """
        with self._lock:
            lines = dict(self._lines)
        return {name: line.stats() for name, line in lines.items()}

    def close(self) -> None:
        """Ends the templates, and after ten seconds the executions that still run. Idempotent."""
        if os.getpid() != self._process:
            return
        with self._lock:
            self._closed = True
            lines, threads = list(self._lines.values()), self._threads
            self._lines.clear()
        for line in lines:
            line.close()
        for line in lines:
            line.join(_CLOSE_S)
        if threads is not None:
            threads.shutdown(wait=False)
        atexit.unregister(self.close)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _execute(self, target, kwargs, timeout, scope, cancel):
        _target.split(target)
        pickled = pickle.dumps(kwargs or {})
        deadline = None if timeout is None else time.monotonic() + timeout
        line = self._line(scope)
        try:
            template, run, reply = self._run(line, _order(line, target, pickled), deadline, cancel)
        except Cancelled:
            raise concurrent.futures.CancelledError from None
        except TimeoutError:
            raise TimeoutError(f"the worker did not finish within {timeout} s") from None
        except NotStarted as error:
            line.spawned(str(error))
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            return worker.execute(target, kwargs, timeout=left, roots=scope.roots)
        return self._result(target, line, template, run, reply)

    @staticmethod
    def _run(line, order, deadline, cancel):
        """(the template that it was forked from, the Run, its reply); NotStarted when no template would."""
        why = ""
        for template in line.templates(deadline):
            run = Run(template, deadline, cancel)
            try:
                with line.running(run):
                    reply = run.run(order)
            except NotStarted as error:
                why = str(error)
                line.lost(template, why)
                continue
            if reply is None or "changed" not in reply:
                return template, run, reply
            line.changed()
        raise NotStarted(why)

    @staticmethod
    def _result(target, line, template, run, reply):
        line.learn(target, template, [] if reply is None else reply["imported"])
        if reply is not None:
            return worker.result_of(target, reply)
        if run.exitcode is None:
            raise worker.WorkerDied(f"{target}: the worker was killed with its template", None)
        raise worker.WorkerDied(f"{target}: the worker {worker.how_it_ended(run.exitcode)}", run.exitcode)

    def _line(self, scope):
        settings = worker.travelling_settings()
        with self._lock:
            if self._closed:
                raise RuntimeError("this Zygote is closed")
            if os.getpid() != self._process:
                raise RuntimeError("this Zygote belongs to the process from which this one was forked: make another")
            line = self._lines.get(scope.name)
            if line is not None and (line.is_over() or line.settings != settings):
                line.close()
                line = None
            if line is None:
                line = self._lines[scope.name] = Line(scope.roots, settings, self._options)
            self._lines.move_to_end(scope.name)
            surplus = [self._lines.popitem(last=False)[1] for _ in range(len(self._lines) - self._options.max_templates)]
        for old in surplus:
            old.close()
        return line


def _scope_of(solution_id, global_repo_access, roots):
    prefixes = _shim.roots_of(solution_id, bool(global_repo_access), roots)
    return _Scope((solution_id, bool(global_repo_access)) if roots is None else tuple(prefixes), prefixes)


def _order(line, target, pickled):
    now = dict(os.environ)
    changed = {} if now == line.environment else _changes(line.environment, now)
    directory = os.getcwd()
    return {
        "target": target,
        "kwargs": pickled,
        "environment": changed,
        "directory": directory if directory != line.directory else None,
        "path": list(sys.path) if sys.path != line.path else None,
    }


def _changes(before, now):
    """{name: value, or None for a variable that is gone}"""
    changes = {name: None for name in before if name not in now}
    changes.update({name: value for name, value in now.items() if before.get(name) != value})
    return changes
