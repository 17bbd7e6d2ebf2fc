"""warm(): for platforms that have a template process of their own."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import time
from collections.abc import Iterable

from .. import _shim
from . import _demand, _messages, _patterns, _trial
from ._template import NotMade, Template

_KINDS = ("modules", "code")
_MOST_TRIALS = 8
_TRIAL_S = 30.0
_PATTERNS_S = 3.0


@dataclasses.dataclass(frozen=True)
class Warmed:
    """What warm() has done.

    `modules`: the workspace modules that are ready here. `skipped`: name to the reason why it is not; it is tried again
    when something that is ready has changed, or other names are given. `generation`: of the snapshot that they are of.
    `renewed`: whether this call had anything to do.
    """

    modules: tuple[str, ...]
    skipped: dict[str, str]
    generation: int
    renewed: bool


@dataclasses.dataclass
class _Present:
    """What this process keeps warm."""

    names: tuple[str, ...] = ()
    kind: str = ""
    imported: dict = dataclasses.field(default_factory=dict)  # what importing them runs, by name
    patterns: list = dataclasses.field(default_factory=list)  # and compiles
    evictions: int = 0  # how often this process had evicted modules by then
    warmed: Warmed | None = None


_present = _Present()


def warm(modules: Iterable[str] | None = None, *, kind: str = "modules") -> Warmed:
    """Get this process ready to be forked for executions. Call it before each fork.

    It begins an execution in the present scope, at the newest generation, leaves no connection open and no thread
    running, and freezes the garbage collector's generations. A fork of this process that calls begin_execution() runs
    what is in Redis then.

    What has changed is imported in a fork first. Modules whose import there starts a thread or a process, leaves a
    descriptor open, changes a signal handler, replaces os.fork or fails, and those that import them, are skipped here.

    Args:
        modules: Names to keep warm, with all that they import; None: those of the call before.
        kind: "modules": they are imported here, and again when one of them has changed. "code": their code is held
            ready, and nothing is run here. Of this call: say it each time.

    Returns:
        What is ready, and what is skipped and why.

    Raises:
        ValueError: `kind` is neither, or `modules` is one name.

    Cost:
        One round trip to the agent when nothing has changed, and a collection of what has come since; else the
        imports, twice; when modules were replaced, a collection of everything, which writes to every page that forks
        still share.

    Since:
        0.1.0
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    if isinstance(modules, str):
        raise ValueError(f"modules is a sequence of names, not one name: [{modules!r}]")
    names = _present.names if modules is None else tuple(modules)
    execution = _shim.begin_execution(roots=_shim.present_roots())
    last = _present.warmed
    same = last is not None and (names, kind) == (_present.names, _present.kind)
    # By this execution, or by one that the template began itself.
    evictions_before, _present.evictions = _present.evictions, _shim.evictions()
    evicted = _present.evictions != evictions_before
    try:
        if same and not evicted and _shim.held_code_is_current():
            _present.warmed = dataclasses.replace(last, generation=execution.generation, renewed=False)
        else:
            if evicted or kind == "code":
                _present.imported.clear()
            if evicted:
                gc.unfreeze()  # what has been replaced could never be freed
            _present.names, _present.kind = names, kind
            _present.warmed = _renewed(names, kind, execution.generation)
        _shim.settle()
    finally:
        gc.collect()  # of what has come since the last time: garbage would stay for good
        gc.freeze()
    return _present.warmed


def _renewed(names, kind, generation):
    imported = _present.imported
    left_out = _find_out(names, imported)
    code_left_out = _shim.hold_code([path for _, path, *_ in imported.values()], _demand.MOST_BYTES)
    if kind == "code":
        _patterns.compile_all(_present.patterns, _PATTERNS_S)
        ready = tuple(name for name, path, *_ in imported.values() if path not in code_left_out)
        skipped = {name: code_left_out[path] for name, path, *_ in imported.values() if path in code_left_out}
        skipped.update((name, why) for name, why in left_out.items() if name not in imported)
    else:
        trial = _trial.Trial(_order(names, imported, left_out), lambda *_: None)
        trial.run()
        skipped = {**trial.missing, **left_out, **trial.left_out}
        ready = tuple(name for name in imported if name not in skipped)
    return Warmed(ready, skipped, generation, True)


def _order(names, imported, left_out):
    children = {}
    for name, _, within, *_ in imported.values():
        children.setdefault(within, []).append(name)
    return {"modules": list(names), "children": children, "blocked": left_out, "cold": ()}


def _find_out(names, imported):
    """{name: why} of what must not be imported here. Adds to `imported` what importing these names runs."""
    left_out = {}
    for _ in range(_MOST_TRIALS):
        try:
            found = _tried_in_a_fork(_order(names, imported, left_out))
        except NotMade as error:
            if not error.left_out:
                return {**dict.fromkeys(names, str(error)), **left_out}
            left_out.update(error.left_out)
            imported.update((entry[0], entry) for entry in error.imported)
        else:
            imported.update((entry[0], entry) for entry in found.modules)
            _present.patterns = found.patterns
            return left_out
    return {**dict.fromkeys(names, "too many of its modules have to be left out"), **left_out}


def _tried_in_a_fork(order):
    ours, theirs = _messages.control_pair()
    process = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            _shim.end_with_parent(process)
            os.setpgid(0, 0)
            _try(theirs, order)
        finally:
            _end_group()
    theirs.close()
    scout = Template("trial", ours)
    try:
        scout.wait_until_ready(time.monotonic() + _TRIAL_S, lambda: False)
        return scout
    finally:
        scout.close(kill=True)
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass  # somebody else reaps the children of this process


def _end_group():
    """With whatever the modules have started; alone as long as the group is still the platform's."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _try(control, order):
    _messages.send(control, {"forked": os.getpid()})
    trial = _trial.Trial(order, lambda name, begins: _messages.send(control, {"imports": name, "begins": begins}))
    _patterns.mark()
    trial.run()
    if trial.left_out:
        _messages.send(control, {"left_out": trial.left_out, "imported": trial.imported})
    else:
        news = {"modules": trial.imported, "patterns": _patterns.compiled_since_mark()}
        _messages.send(control, {"ready": {"pid": os.getpid(), **news}})
