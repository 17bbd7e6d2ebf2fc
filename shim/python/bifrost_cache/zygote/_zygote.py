"""Zygote: executes functions of the workspace in processes forked from templates."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import dataclasses
import multiprocessing.util
import os
import pickle
import resource
import socket
import threading
import time
from collections.abc import Sequence

from .. import _shim, _target, worker
from ._line import Line
from ._run import Cancelled, NotStarted, Run

_DEGREES = ("modules", "code", "none")
# Calls of execute_async() that run, and how many descriptors each of them may take at times.
_MOST_AT_ONCE = 256
_DESCRIPTORS = 8
_CLOSE_S = 15.0
# Before pools and managers, which executions may use.
_EXIT_PRIORITY = 100


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
    """Runs functions of the workspace, each in a process of its own, forked from a template of its scope.

    Every execution begins with begin_execution(): it runs what was written before it, whatever its template holds. Call
    it from any thread. A context manager: close() ends all its processes.

    Args:
        preload: Names of installed modules that templates import.
        warm: What templates keep of the modules that executions of their scope import: "modules", imported ones;
            "code", their code only, and a spare process that waits for the next execution; "none".
        cold: Patterns (fnmatch) of modules that no template imports.
        max_templates: Scopes that have templates at a time. The least recently used gives way.
        start_timeout: Seconds for a template to become ready.

    Raises:
        ValueError: An option makes no sense.

    Cost:
        Nothing until the first execution. Then up to three processes for each scope, its templates.

    Since:
        0.1.0
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = (),
        warm: str = "modules",
        cold: Sequence[str] = (),
        max_templates: int = 8,
        start_timeout: float = 30,
    ) -> None:
        if warm not in _DEGREES:
            raise ValueError(f"warm must be one of {', '.join(_DEGREES)}, not {warm!r}")
        if isinstance(preload, str) or isinstance(cold, str):
            raise ValueError("preload and cold are sequences of names, not one name")
        if max_templates < 1 or not start_timeout > 0:
            raise ValueError("max_templates and start_timeout must be positive")
        self._options = _Options(tuple(preload), warm, tuple(cold), max_templates, start_timeout)
        self._lock = threading.Lock()
        self._lines = collections.OrderedDict()  # name of a scope: Line; the least recently used first
        self._retired = []  # Lines whose executions still run
        self._threads = None
        self._process = os.getpid()
        self._closed = False
        # Before multiprocessing waits for the templates, which its own children do without handlers of atexit.
        self._at_exit = multiprocessing.util.Finalize(None, self.close, exitpriority=_EXIT_PRIORITY)

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
        """Run one function of the workspace in a fork of its scope's template and return its result.

        Arguments, result and exceptions are those of worker.execute(). When no template can be had, or it does not
        fork, worker.execute() does the work: stats() counts it as `spawned` and gives the reason as `trouble`.

        Cost:
            A fork, one begin_execution(), and a pickle each way.

        Since:
            0.1.0
        """
        deadline = worker.deadline_of(timeout)
        scope = _scope_of(solution_id, global_repo_access, roots)
        return self._execute(_order(target, kwargs), timeout, deadline, scope)

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
        """Do as execute(), for asyncio. Cancelling it ends the process.

        256 run at once, or as many as an eighth of the descriptors that this process may open; others wait, which
        counts towards their timeout.

        Cost:
            As execute(), and a thread that waits.

        Since:
            0.1.0
        """
        deadline = worker.deadline_of(timeout)
        scope = _scope_of(solution_id, global_repo_access, roots)
        call = _Call(self._execute, _order(target, kwargs), timeout, deadline, scope)
        self._check_owner()
        with self._lock:
            self._check_open()
            if self._threads is None:
                self._threads = concurrent.futures.ThreadPoolExecutor(_most_at_once(), "bifrost execution")
            future = self._threads.submit(call.run)
        result = asyncio.wrap_future(future)
        try:
            if deadline is not None:
                await asyncio.wait([result], timeout=deadline - time.monotonic())
                if not result.done() and future.cancel():  # it still waits for a thread
                    raise worker.out_of_time(timeout)
            return await result
        finally:
            result.cancel()
            call.cancel()

    def stats(self) -> dict[tuple[str | None, bool] | tuple[str, ...], dict[str, object]]:
        """Return what happened in each scope that has templates.

        Returns:
            (solution_id, global_repo_access), or the roots, to a dict: `warm`, names of the modules that are imported
            in advance, or with warm="code" whose code is held; `skipped`, name to the reason why it is not;
            `generation` of the templates; `executions`, of these `spawned` and `changed` (a template was out of date);
            `renewals`, and whether one is wanted or under way (`renewing`); `processes`, kind to pid of the templates,
            and of a `spare` that waits for an execution;
            `private_bytes` that they share with nobody, and `executions_private_bytes` of the executions that run now;
            `trouble`, the last one.

        Cost:
            One read of /proc per process.

        Since:
            0.1.0
        """
        self._check_owner()
        with self._lock:
            lines = dict(self._lines)
        return {name: line.stats() for name, line in lines.items()}

    def close(self) -> None:
        """End the templates, and after ten seconds the executions that still run. Idempotent.

        Cost:
            15 seconds at most for each scope.

        Since:
            0.1.0
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            self._closed = True
            lines, threads = [*self._lines.values(), *self._retired], self._threads
            self._lines.clear()
            self._retired.clear()
        for line in lines:
            line.close()
        for line in lines:
            line.join(_CLOSE_S)
        if threads is not None:
            threads.shutdown(wait=False)
        self._at_exit.cancel()

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _execute(self, order, timeout, deadline, scope, cancel=None):
        self._check_owner()
        if deadline is not None and time.monotonic() >= deadline:
            raise worker.out_of_time(timeout)  # before the templates of another scope give way
        line = self._line(scope)
        try:
            reply = self._reply(line, order, deadline, cancel)
        except Cancelled:
            raise concurrent.futures.CancelledError from None
        except TimeoutError:
            raise worker.out_of_time(timeout) from None
        return worker.result_of(order["target"], reply)

    def _reply(self, line, order, deadline, cancel):
        """Of a fork, or of a spawned process when no template forks."""
        target = order["target"]
        try:
            template, run, reply = self._run(line, order, deadline, cancel)
        except NotStarted as error:
            line.spawned(str(error))
            return worker.reply_of_spawned(target, order["kwargs"], line.roots, deadline, cancel)
        line.learn(target, template, reply or {"imported": (), "failed": (), "compiled": ()})
        if reply is not None:
            return reply
        if run.exitcode is None:
            raise worker.WorkerDied(f"{target}: the worker was killed with its template", None)
        raise worker.WorkerDied(f"{target}: the worker {worker.how_it_ended(run.exitcode)}", run.exitcode)

    @staticmethod
    def _run(line, order, deadline, cancel):
        """(the template that it was forked from, the Run, its reply); NotStarted when no template would."""
        why = ""
        for template in line.templates(deadline):
            run = Run(template, deadline, cancel)
            try:
                with line.running(run):
                    reply = run.run({**order, **template.inherited.changes()})
            except NotStarted as error:
                why = str(error)
                line.lost(template, why)
                continue
            if reply is None or "changed" not in reply:
                return template, run, reply
            line.changed(template)
        raise NotStarted(why)

    def _line(self, scope):
        travels = worker.what_travels()
        with self._lock:
            self._check_open()
            line = self._lines.get(scope.name)
            if line is not None and (line.is_over() or line.travels != travels):
                self._retire(line)
                line = None
            if line is None:
                line = self._lines[scope.name] = Line(scope.roots, travels, self._options)
            self._lines.move_to_end(scope.name)
            for _ in range(len(self._lines) - self._options.max_templates):
                self._retire(self._lines.popitem(last=False)[1])
        return line

    def _check_owner(self):
        """Before the lock, which a thread of the parent may have held at the fork."""
        if os.getpid() != self._process:
            raise RuntimeError("this Zygote belongs to the process from which this one was forked: make another")

    def _check_open(self):
        if self._closed:
            raise RuntimeError("this Zygote is closed")
        worker.refuse_daemonic("use a Zygote")

    def _retire(self, line):
        """It ends when its executions have ended, or with close()."""
        line.retire()
        self._retired = [old for old in (*self._retired, line) if not old.has_ended()]


class _Call:
    """A function that waits in a thread until the event loop gives it up: it is given a descriptor, which is ready
    then. While it waits for a thread it takes none."""

    def __init__(self, function, *arguments):
        self._function = function
        self._arguments = arguments
        self._lock = threading.Lock()
        self._cancelled = False
        self._kept = None

    def run(self):
        kept, given = socket.socketpair()
        with kept, given:
            with self._lock:
                self._kept = kept
                if self._cancelled:
                    raise concurrent.futures.CancelledError
            try:
                return self._function(*self._arguments, given.fileno())
            finally:
                with self._lock:
                    self._kept = None

    def cancel(self):
        with self._lock:
            self._cancelled = True
            if self._kept is not None:
                self._kept.close()


def _order(target, kwargs):
    """At the call: the caller may change them afterwards."""
    _target.split(target)
    return {"target": target, "kwargs": pickle.dumps(kwargs or {})}


def _most_at_once():
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_AT_ONCE if soft == resource.RLIM_INFINITY else max(1, min(_MOST_AT_ONCE, soft // _DESCRIPTORS))


def _scope_of(solution_id, global_repo_access, roots):
    prefixes = _shim.roots_of(solution_id, bool(global_repo_access), roots)
    return _Scope((solution_id, bool(global_repo_access)) if roots is None else tuple(prefixes), prefixes)
