"""One execution in a child of a template, from the side of the process that waits for it."""

import os
import select
import signal
import socket
import time

from ..worker import Cancelled
from . import _messages, _template
from ._serving import PID_BYTES

# How long a template may take to fork.
_ANSWER_S = 5.0
# How long a child may take to end: after its result, and after SIGTERM.
_GRACE_S = 5.0


class NotStarted(RuntimeError):
    """The template could not fork, or did not: nothing has been run."""


class Run:
    """run() returns the child's reply, or None when it ended without one; `exitcode` is known then, unless the template
    ended, too. OSError for want of descriptors, of which no template is to blame. Whatever happens, no child is left,
    nor a descriptor."""

    def __init__(self, template, deadline, cancel=None):
        self.exitcode = None
        self.pid = None
        self.template = template
        self._deadline = deadline  # None: never
        self._cancel = cancel  # a descriptor that is ready when the caller gives up
        self._channel = self._report = None
        self._ended = False
        self._received = bytearray()

    def run(self, order):
        try:
            with self.template:
                try:
                    self._start(order)
                    return self._reply()
                except NotStarted:
                    self.template.close(kill=True)
                    raise
                finally:
                    self._end()
        finally:
            if self._channel is not None:
                self._channel.close()
            if self._report is not None:
                os.close(self._report)

    def _start(self, order):
        self._channel, theirs = _template.channel_pair()
        passed = [theirs.fileno()]
        try:
            self._report, reported = os.pipe()
            passed.append(reported)
            for number in (1, 2):
                passed.append(_template.same_output(number))
            packed, more = _messages.packed_order(order)
            passed += more
            self._send({"do": "run", "order": packed}, passed)
        finally:
            theirs.close()
            for descriptor in passed[1:]:
                os.close(descriptor)
        self._channel.setblocking(False)
        until = time.monotonic() + _ANSWER_S
        try:
            self._wait({self._report: select.POLLIN}, until if self._deadline is None else min(until, self._deadline))
        except NotStarted:
            if self._is_given_up() or not self._answers():
                raise
        self._learn_pid()

    def _send(self, message, descriptors):
        try:
            self.template.send(message, descriptors)
        except OSError as error:
            raise NotStarted(f"the template is gone: {error}") from error

    def _learn_pid(self):
        pid = self._read_report()
        if pid is None and not self._is_given_up():
            self._ended = True  # with its template, in the middle of it
        elif pid is None or pid <= 0:
            raise NotStarted("the template ended" if pid is None else f"no fork: {os.strerror(-pid)}")
        else:
            self.pid = pid

    def _is_given_up(self):
        """False when it has begun, and so must not be begun by anybody else. If not, it never will."""
        try:
            self._channel.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # the other side is gone
        self._receive()
        return not self._received.startswith(_messages.BEGUN)

    def _reply(self):
        """What the child says: {"changed": True}, or the reply; None when it ends without one."""
        channel = self._channel.fileno()
        while True:
            ready = {channel: select.POLLIN}
            if not self._ended:
                ready = self._wait({channel: select.POLLIN, self._report: select.POLLIN}, self._deadline)
            if self._report in ready:
                self._learn_end()
            # After its end, what it had sent is still there; its own children may keep the channel open.
            more = self._receive() if channel in ready or self._ended else True
            reply = self._whole_reply()
            if reply is not None:
                return reply
            if not more:
                self._ends_within(self._time_left(_GRACE_S))
                return None

    def _time_left(self, at_most):
        return at_most if self._deadline is None else max(0.0, min(at_most, self._deadline - time.monotonic()))

    def _whole_reply(self):
        if self._received.startswith(_messages.CHANGED):
            return {"changed": True}
        return _messages.frame_in(memoryview(self._received)[1:])

    def _receive(self):
        """False when nothing more will come."""
        try:
            chunk = self._channel.recv(1 << 20)
        except BlockingIOError:
            return not self._ended
        except OSError:
            return False
        self._received += chunk
        return bool(chunk)

    def _wait(self, sources, until):
        if self._cancel is not None:
            sources = {**sources, self._cancel: select.POLLIN}
        ready = _messages.poll(sources, until)
        if self._cancel is not None and self._cancel in ready:
            raise Cancelled
        if not ready:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise TimeoutError
            raise NotStarted(f"the template did not answer within {_ANSWER_S} s")
        return ready

    def _read_report(self):
        data = os.read(self._report, PID_BYTES)
        return int.from_bytes(data, "little", signed=True) if len(data) == PID_BYTES else None

    def _learn_end(self):
        self.exitcode = self._read_report()
        self._ended = True

    def _end(self):
        """Waits for its end when it has nothing more to do, and brings it about."""
        if self.pid is None and self._report is not None and not self._is_given_up() and self._answers():
            self.pid = self._read_report()
        if self.pid is None or self._ended:
            return
        if self._whole_reply() is not None and self._ends_within(_GRACE_S):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            if self._ends_within(_GRACE_S):
                break
        self._signal_group(signal.SIGKILL)  # whatever of its group has not ended with it

    def _answers(self):
        return bool(_messages.poll({self._report: select.POLLIN}, time.monotonic() + _GRACE_S))

    def _ends_within(self, seconds):
        if not self._ended and _messages.poll({self._report: select.POLLIN}, time.monotonic() + seconds):
            self._learn_end()
        return self._ended

    def _signal(self, number):
        if not self._signal_group(number):
            try:
                os.kill(self.pid, number)  # it has not made its group yet
            except ProcessLookupError:
                pass

    def _signal_group(self, number):
        try:
            os.killpg(self.pid, number)
            return True
        except (ProcessLookupError, PermissionError):
            return False
