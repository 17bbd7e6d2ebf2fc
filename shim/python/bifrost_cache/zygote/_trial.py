"""Imports modules in a template, and finds those that must not be imported there.

What an import leaves behind besides modules would be shared by all children, or missing in them: threads,
descriptors, handlers of signals, timers, child processes, memory that forks have in common, functions in the place of
the interpreter's. What it wants done at the end of the process would be done by the first child for all. What fails
in the template may succeed in a child. Such modules, those that somebody keeps cold, and whatever imports them are
left out: told by name and reason, for the next template. The process that found one is spoilt. A module that fails
since it needs one that nobody has, and that has not been seen to run elsewhere, fails everywhere: its importers are
as they are in any process.
"""

import _thread
import atexit
import contextlib
import fnmatch
import os
import re
import select
import signal
import sys
import types
import weakref
from importlib import import_module

from .. import _shim


class _LeftOut(ImportError):
    """In the place of a module that is not imported in templates."""


class Trial:
    """`order`: "modules" to import, in this order; "children": {module: those that its import begins}; "blocked":
    {name: why}; "cold": patterns. `tell(name, begins)` is called around each module's run."""

    def __init__(self, order, tell):
        self.left_out = {}  # name: why; more than was known before
        self.missing = {}  # name: why; those that need what nobody has
        self.imported = []  # what has been run, as _shim.watched_imports() has it
        self._order = order
        self._blocked = dict(order["blocked"])
        self._tell = tell
        self._running = []
        self._tried = set()
        self._ran_elsewhere = {*order["modules"], *(name for below in order["children"].values() for name in below)}

    @property
    def modules(self):
        return [name for name, *_ in self.imported]

    def run(self):
        sys.meta_path.insert(0, self)
        _shim.watch_imports(self._observe)
        self._register, atexit.register = atexit.register, self._observe_register
        self._traces = _traces()
        inherited = _finalizers()
        try:
            for name in self._order["modules"]:
                self._import(name)
        finally:
            self.imported = _shim.watched_imports()
            _shim.unwatch_imports()
            sys.meta_path.remove(self)
            if atexit.register == self._observe_register:
                atexit.register = self._register
            _remove_temporary_directories(inherited)

    def find_spec(self, name, path=None, target=None):
        """As a finder of sys.meta_path: stands in the way of what is left out."""
        why = self._why_blocked(name)
        if why is None:
            return None
        for importer in self._running:
            self._leave_out(importer, f"it imports {name}, which is left out")
        raise _LeftOut(f"{name} is left out of this template: {why}", name=name)

    def invalidate_caches(self):
        pass

    def _why_blocked(self, name):
        if name in self._blocked:
            return self._blocked[name]
        return "kept cold" if any(fnmatch.fnmatchcase(name, pattern) for pattern in self._order["cold"]) else None

    def _import(self, name):
        if name in self._tried:
            return
        self._tried.add(name)
        package = next((p for p in _packages_of(name) if self._why_blocked(p) is not None), None)
        if package is not None:
            self._leave_out(name, f"it needs {package}, which is left out")
        if package is not None or self._why_blocked(name) is not None:
            # What it would have imported is worth keeping warm all the same.
            for child in self._order["children"].get(name, ()):
                self._import(child)
            return
        try:
            import_module(name)
        except _LeftOut as error:
            self._leave_out(name, f"it needs {error.name}, which is left out")
        except BaseException as error:  # SystemExit, too, is a module's own
            self._note_failure(name, error)

    def _observe(self, name, outcome):
        """Around each module's run: what has changed since the last look is the innermost running module's doing."""
        self._look(self._running[-1] if self._running else None)
        if outcome is None:
            self._tell(name, True)
            self._running.append(name)
            return
        self._tell(name, False)
        self._running.pop()
        if isinstance(outcome, BaseException):
            self._note_failure(name, outcome)
        elif name in self.missing:
            self._leave_out(name, "its import fails, and then it does not")

    def _observe_register(self, *arguments, **keywords):
        """As atexit.register(): what libraries register is for what they have in this process, and harmless."""
        if self._running and "__storage_path__" in sys._getframe(1).f_globals:
            self._leave_out(self._running[-1], "its import registers a handler of atexit")
        return self._register(*arguments, **keywords)

    def _look(self, culprit):
        _shim.let_go()  # our own connections are nobody's fault
        traces = _traces()
        for what, before, now in zip(_TRACES, self._traces, traces, strict=True):
            # That the template's last child has ended, or something was given back, is nobody's doing here.
            differs = not now <= before if what in ("processes", "memory", "finalizers") else now != before
            if differs and culprit is not None:
                self._leave_out(culprit, f"its import {_said(what, before, now)}")
        self._traces = traces

    def _note_failure(self, name, error):
        why = f"its import fails: {type(error).__name__}: {error}"
        # A package that fails leaves halves of itself behind.
        is_package = "__path__" in getattr(sys.modules.get(name), "__dict__", ())
        if is_package or name in self._ran_elsewhere or not _fails_everywhere(error):
            self._leave_out(name, why)
        else:
            self.missing[name] = why

    def _leave_out(self, name, why):
        if name not in self._blocked:
            self.left_out.setdefault(name, why)


def _fails_everywhere(error):
    """By the words of importlib: for want of a module, or of a name in one that is not of the workspace. What a module
    of the workspace lacks may be there in another order of imports."""
    if type(error) is ModuleNotFoundError:
        return str(error).startswith("No module named ")
    if type(error) is not ImportError or not str(error).startswith("cannot import name "):
        return False
    return "__storage_path__" not in getattr(sys.modules.get(error.name), "__dict__", {"__storage_path__": None})


def _packages_of(name):
    """Those that the module is in, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


_TRACES = ("threads", "descriptors", "signals", "timers", "processes", "memory", "finalizers", "functions")


def _traces():
    return (
        len(os.listdir("/proc/self/task")),
        _descriptors(),
        {number: signal.getsignal(number) for number in _SIGNALS},
        [signal.getitimer(timer)[0] > 0 for timer in _TIMERS],
        _has_children(),
        _shared_memory(),
        _finalizers(),
        replaced_functions(),
    )


def replaced_functions():
    """Names of those that a template works with and that are no longer the interpreter's own: gevent and eventlet have
    others in their place, which leave the work of a template to an event loop that it has not."""
    functions = {
        "os.fork": os.fork,
        "_thread.start_new_thread": _thread.start_new_thread,
        "select.select": select.select,
    }
    return [name for name, function in functions.items() if not isinstance(function, types.BuiltinFunctionType)]


_SIGNALS = sorted(signal.valid_signals())
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _descriptors():
    """{descriptor: what it is open for}"""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the listing's own
    return found


def _finalizers():
    """Those that remove a file or a directory at the end of the process at the latest. What others do there, is done to
    what each process has for itself."""
    finalizers = list(weakref.finalize._registry.values())
    return {id(one) for one in finalizers if one.atexit and getattr(one.func, "__name__", "") in _REMOVERS}


def _remove_temporary_directories(inherited):
    """Those that a trial has made: its process is killed, and nobody else knows them."""
    for finalizer, one in list(weakref.finalize._registry.items()):
        if id(one) not in inherited and getattr(one.func, "__name__", "") == "_cleanup":
            with contextlib.suppress(Exception):
                finalizer()


# Of os, shutil, pathlib and tempfile.
_REMOVERS = {"remove", "unlink", "rmdir", "removedirs", "rmtree", "_cleanup"}


def _has_children():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    except ChildProcessError:
        return False


def _shared_memory():
    """Mappings that a fork and its parent write to together: locks of multiprocessing, say."""
    with open("/proc/self/maps", "rb") as maps:
        return {line.split(b" ", 1)[0] for line in maps if _is_written_together(line)}


_is_written_together = re.compile(rb"\S+ .w.s ").match


def _said(what, before, now):
    if what == "threads":
        return "starts a thread" if now > before else "ends a thread"
    if what == "descriptors":
        opened = sorted(now.items() - before.items())
        return f"leaves a descriptor open: {opened[0][1]}" if opened else "closes a descriptor of the template"
    if what == "signals":
        changed = [signal.Signals(number).name for number in now if now[number] != before[number]]
        return f"changes the handler of {', '.join(changed)}"
    if what == "timers":
        return "starts a timer" if any(now) else "stops a timer"
    if what == "finalizers":
        return "makes something that is removed at the end of the process"
    if what == "functions":
        return f"replaces {', '.join(now or before)}"
    if what == "memory":
        return "maps memory that executions would share"
    return "starts a process"
