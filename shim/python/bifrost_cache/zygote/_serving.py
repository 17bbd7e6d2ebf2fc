"""The processes that executions are forked from.

A root is a fresh interpreter, started by spawn: preloaded modules, none of the workspace. Templates are forked from it,
or from each other: one that holds code objects, one that has imported modules. Each serves one control socket, has one
thread, and ends with whoever started it. A root and the templates below it see one scope only.
"""

import gc
import os
import select
import signal
import socket
import sys
import traceback
from importlib import import_module

from .. import _shim, worker
from . import _child, _messages, _patterns, _spare, _trial

PID_BYTES = 8


def root(control, order):
    """The target of the spawned process."""
    _shim.end_with_parent(order["parent"])
    _occupy_streams()
    try:
        why = _preload(order)
    except BaseException as error:
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"
    if why is not None:
        _messages.send(control, {"failed": why})
        return
    _shim.keep_asked()  # which the preloaded modules went by
    _shim.report()  # it runs nothing, and shall not be shown with the snapshot of its first day
    _serve(control, order["roots"], {})


def _preload(order):
    """Imports the host's main module, and what is to be preloaded. Why nothing can be forked from that, or None."""
    worker.begin_as_child(order)
    kept = set(_shim.loaded())  # by the main module; beginning may evict it
    begun = _shim.begin_execution(roots=order["roots"])  # for what hides an installed module in this scope
    for name in order["preload"]:
        import_module(name)
    kept.update(_shim.loaded())
    who = "the main module, or a preloaded one,"
    if kept:  # whoever has taken something from them, would keep it
        return f"{who} imports {', '.join(sorted(kept))} of the workspace; import it in functions"
    if replaced := _trial.replaced_functions():
        return f"{who} replaces {', '.join(replaced)}, as gevent and eventlet do"
    if _shim.current_execution() is not begun:  # what was asked before is forgotten
        return "a preloaded module begins an execution of its own"
    return None


def _occupy_streams():
    """Where the host has closed some, so that nothing else of a template is taken for one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # is given the lowest number that is free


def _serve(control, roots, news, keeps_spare=False):
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # or each child would print it once more
    _shim.settle()
    _patterns.mark()
    gc.collect()
    gc.freeze()
    server = _Server(control, roots, keeps_spare)
    _messages.send(control, {"ready": {"pid": server.process, **news}})
    server.serve()


class _Server:
    """Forks on demand, reports who was forked and how it ended. Until its control socket and its last child are gone.

    A spare child is made while no execution runs: it would take the processor from them."""

    def __init__(self, control, roots, keeps_spare):
        self.control = control
        self.roots = roots
        self.process = os.getpid()
        self._keeps_spare = keeps_spare
        self._children = {}  # pid: where its end is reported, or None
        self._spare = None
        self._spare_wanted = keeps_spare
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        # What a terminal or a service manager sends to all is for those who run executions.
        handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN, signal.SIGCHLD: lambda *_: None}
        self._handlers = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        # Without it nothing would tell of children's ends. Executions get the mask that the host has.
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        self._wakeup = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def serve(self):
        while self.control is not None or self._children:
            if self._spare_wanted and self.control is not None and not self._runs_something():
                self._fork_spare()
            sources = {self._woken.fileno(): select.POLLIN}
            if self.control is not None:
                sources[self.control.fileno()] = select.POLLIN
            ready = _messages.poll(sources, None)
            if self._woken.fileno() in ready:
                self._reap()
            if self.control is not None and self.control.fileno() in ready:
                self._obey()
        self._let_go()

    def forget_in_child(self):
        """In a child: nothing of the template's is left open or handled."""
        self._let_go()
        if self.control is not None:
            self.control.close()
        if self._spare is not None:
            self._spare.close()
        for report in self._children.values():
            if report is not None:
                os.close(report)
        self._children.clear()

    def _let_go(self):
        """Handlers and wake-ups are as they were before this object was made."""
        signal.set_wakeup_fd(self._wakeup)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._woken.close()
        self._waker.close()

    def _obey(self):
        try:
            message, descriptors = _messages.receive(self.control)
        except OSError:
            message, descriptors = None, []
        if message is None:
            self.control.close()
            self.control = None
            if self._spare is not None:
                self._spare.close()
        elif message["do"] == "run":
            self._run(message["order"], *descriptors)
        else:
            self._make_template(message["do"], message["order"], *descriptors)

    def _run(self, packed, channel, report, *rest):
        spare, self._spare = self._spare, None
        self._spare_wanted = self._keeps_spare
        if spare is not None and spare.run(packed, (channel, *rest)):
            pid = spare.pid
        else:
            pid = self._fork()
            if pid == 0:
                os.close(report)
                _child.run(self, lambda: (packed, (channel, *rest)))
        for descriptor in (channel, *rest):
            os.close(descriptor)
        self._started(pid, report)

    def _fork_spare(self):
        """One at a time. When it is killed, the next execution is the reason for another."""
        self._spare_wanted = False
        try:
            ours, theirs = _messages.control_pair()
        except OSError:
            return  # no descriptors left; executions are forked without one
        pid = self._fork()
        if pid == 0:
            ours.close()
            _child.run(self, lambda: _spare.wait(theirs))
        theirs.close()
        if pid > 0:
            self._spare = _spare.Spare(pid, ours)
            self._children[pid] = None
        else:
            ours.close()

    def _runs_something(self):
        return any(report is not None for report in self._children.values())

    def _make_template(self, kind, order, control):
        pid = self._fork()
        if pid == 0:
            code = 1
            try:
                _shim.end_with_parent(self.process)
                os.setpgid(0, 0)  # with whatever the modules start
                self.forget_in_child()
                _become_template(kind, socket.socket(fileno=control), order, self.roots)
                code = 0
            except BrokenPipeError:
                pass  # nobody waits for it any more
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(control)
        self._started(pid, None)

    def _fork(self):
        """The child's pid, 0 in the child, minus the error's number when there is no room for one."""
        try:
            return os.fork()
        except OSError as error:
            return -(error.errno or 1)

    def _started(self, pid, report):
        if report is not None and not _tell(report, pid):
            report = None
        if pid > 0:
            self._children[pid] = report
        elif report is not None:
            os.close(report)

    def _reap(self):
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        for pid in list(self._children):
            # Told first, reaped then: as long as its end is not known, its number means nobody else.
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            report = self._children.pop(pid)
            if report is not None and _tell(report, code):
                os.close(report)
            os.waitpid(pid, 0)


def _tell(report, number):
    """False, and it is closed, when nobody reads any more."""
    try:
        os.write(report, number.to_bytes(PID_BYTES, "little", signed=True))
        return True
    except OSError:
        os.close(report)
        return False


def _become_template(kind, control, order, roots):
    _messages.send(control, {"forked": os.getpid()})
    gc.unfreeze()
    execution = _shim.begin_execution(roots=roots)
    if execution.source != "shm":
        _messages.send(control, {"failed": f"the mirror cannot be relied on now: modules come from {execution.source}"})
        return
    news = {"generation": execution.generation}
    if kind == "hold":
        news["left_out"] = _shim.hold_code(order["paths"], order["most_bytes"])
        _patterns.compile_all(order["patterns"], order["pattern_seconds"])
    else:
        trial = _trial.Trial(order, lambda name, begins: _messages.send(control, {"imports": name, "begins": begins}))
        trial.run()
        if trial.left_out:
            _messages.send(control, {"left_out": trial.left_out})
            os.killpg(0, signal.SIGKILL)
        news["modules"], news["missing"] = trial.modules, trial.missing
        if not _shim.settle():
            _messages.send(control, {"failed": "modules changed while they were imported"})
            return
    _serve(control, roots, news, keeps_spare=order.get("spare", False))
