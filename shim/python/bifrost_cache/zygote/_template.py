"""A template process, as the process that uses it knows it."""

import errno
import os
import select
import signal
import socket
import threading
import time

from . import _messages

# How often whoever waits for a template looks whether it is still wanted.
_LOOK_EVERY_S = 0.2


class NotMade(RuntimeError):
    """There is no such template. `left_out` says of modules why the next one must do without them; `imported`: what
    was."""

    def __init__(self, why, left_out=(), imported=()):
        super().__init__(why)
        self.left_out = dict(left_out)
        self.imported = imported


class NotForked(NotMade):
    """The template that it was to be forked from is gone, or has not answered in time."""


class Template:
    """Any thread. Ends by close(): at once, or when the last has ended of the executions that use it and of the
    templates that were forked from it, which the kernel would end with it."""

    def __init__(self, kind, control, inherited=None):
        self.kind = kind  # "root", "hold" or "modules"
        self.inherited = inherited  # what its root has of this process
        self.root = None  # the process that its root is
        self._base = None  # the template that it was forked from, until this one has ended
        self.pid = None
        self.modules = []  # that are ready in it
        self.patterns = []  # that importing them compiles; of a trial only
        self.missing = {}  # name: why its import fails here, as it does everywhere
        self.left_out = {}  # path: why its code is not held
        self.generation = 0
        self._control = control
        self._pidfd = None
        self._lock = threading.Lock()
        self._users = 0
        self._closing = None  # how, once it is to end
        self._over = False

    @classmethod
    def forked_from(cls, template, kind, order, deadline, stopped):
        """NotMade when there is none by `deadline`, it must do without some modules, or stopped() becomes true.
        NotForked when that is the fault of `template`."""
        try:
            ours, theirs = _messages.control_pair()
        except OSError as error:
            raise NotMade(f"no socket to a template: {error}") from error
        made = cls(kind, ours, template.inherited)
        made.root = template.root
        made._base = template.__enter__()
        try:
            template.send({"do": kind, "order": order}, [theirs.fileno()])
        except _messages.NotPacked as error:
            made.close(kill=True)
            raise NotMade(f"what it is told could not be packed: {error}") from error
        except OSError as error:
            made.close(kill=True)
            raise NotForked(f"the template it was to be forked from is gone: {error}") from error
        finally:
            theirs.close()
        made.wait_until_ready(deadline, stopped)
        return made

    def wait_until_ready(self, deadline, stopped):
        running = []  # modules that it is importing
        try:
            while True:
                message = self._next_message(deadline, stopped, running)
                if "forked" in message:
                    self._know(message["forked"])
                elif "imports" in message:
                    running.append(message["imports"]) if message["begins"] else running.pop()
                elif "ready" in message:
                    self._take(message["ready"])
                    return
                else:
                    why = message.get("failed", "modules have to be left out")
                    raise NotMade(why, message.get("left_out", ()), message.get("imported", ()))
        except BaseException:
            self.close(kill=True)
            raise

    def _next_message(self, deadline, stopped, running):
        ready = {}
        while not ready and time.monotonic() < deadline:
            if stopped():
                raise NotMade("its zygote is closed")
            look = min(deadline, time.monotonic() + _LOOK_EVERY_S)
            ready = _messages.poll({self._control.fileno(): select.POLLIN}, look)
        message = _messages.receive(self._control)[0] if ready else None
        if message is not None:
            return message
        what = "ended the template" if ready else "did not end in time"
        if running:
            raise NotMade(f"an import {what}", {running[-1]: f"its import {what}"})
        if not ready and self._base is not None and self.pid is None:
            raise NotForked("the template it was to be forked from does not fork")
        raise NotMade("it ended before it was ready" if ready else "it was not ready in time")

    def _take(self, news):
        self._know(news["pid"])
        self.modules = news.get("modules", [])
        self.missing = news.get("missing", {})
        self.patterns = news.get("patterns", [])
        self.left_out = news.get("left_out", {})
        self.generation = news.get("generation", 0)

    def _know(self, pid):
        if self.pid is None:
            self.pid = pid
            try:
                self._pidfd = os.pidfd_open(pid)
            except OSError:
                pass  # an old kernel, or it is gone

    def send(self, message, descriptors):
        """As _messages.send(): OSError also when it is closed, or has not read for long."""
        with self._lock:
            if self._control is None:
                raise OSError("closed")
            _messages.send(self._control, message, descriptors, wait=False)

    def __enter__(self):
        with self._lock:
            self._users += 1
        return self

    def __exit__(self, *_):
        with self._lock:
            self._users -= 1
            if self._closing is not None and self._users == 0:
                self._end(self._closing)

    def close(self, kill=False):
        """It forks no more, and ends with the last of its children. `kill`: it may hang, so it is killed then. Again as
        often as one likes."""
        with self._lock:
            self._closing = kill or bool(self._closing)
            self._shut()
            if self._users == 0:
                self._end(self._closing)

    def _shut(self):
        if self._control is not None:
            try:
                self._control.shutdown(socket.SHUT_RDWR)  # whatever fork of this process has a copy
            except OSError:
                pass
            self._control.close()
            self._control = None

    def _end(self, kill):
        if self._over:
            return  # its number may be another process' by now
        self._over = True
        if kill and self.pid is not None:
            self._kill()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        base, self._base = self._base, None
        if base is not None:
            base.__exit__()

    def _kill(self):
        """With what its modules have started, which is of its group. A root has none of its own."""
        try:
            if self.kind != "root":
                os.killpg(self.pid, signal.SIGKILL)
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def lives(self):
        with self._lock:
            if self._control is None:
                return False
            if self._pidfd is None:
                return True
            return not _messages.poll({self._pidfd: select.POLLIN}, time.monotonic())

    def is_behind(self, imported):
        """Whether a child had to make code that it should hold ready: something is new, or has changed."""
        if self.kind == "root":
            return False
        return any(not held and path not in self.left_out for _, path, _, _, held in imported)


def private_bytes_of(pid):
    """What no other process shares; 0 when it is gone."""
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith(("Private_Clean:", "Private_Dirty:")):
                    total += int(line.split()[1]) * 1024
    except OSError:
        return 0
    return total


def children_of(pid):
    """Their pids; none when it is gone. A template has one thread."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def same_output(number):
    """The descriptor of this process' stdout or stderr for a child: a copy, or the null device when it is closed. When
    something else has been opened in its place, too, which no process that is started would inherit."""
    try:
        if os.get_inheritable(number):
            return os.dup(number)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def channel_pair():
    return socket.socketpair()
