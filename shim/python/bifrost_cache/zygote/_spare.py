"""A child that is forked before it has anything to run.

Executing code writes to most pages that hold it, since it counts references. A spare copies these while it waits, so
the execution that gets it waits neither for the fork nor for a fault per page.
"""

from .. import _shim
from . import _messages

# Twice what an execution of the largest application in bench/start writes to.
_MOST_BYTES = 64 << 20


class Spare:
    """In the template that has forked it."""

    def __init__(self, pid, control):
        self.pid = pid
        self._control = control

    def run(self, packed, descriptors):
        """It runs that order. False when it is gone, and then it runs nothing."""
        try:
            _messages.send(self._control, {"order": packed}, descriptors, wait=False)
            return True
        except OSError:
            return False
        finally:
            self._control.close()

    def close(self):
        """It ends."""
        self._control.close()


def wait(control):
    """In the child: the order and its descriptors, (None, []) when the template needs it no more."""
    with control:
        _shim.prefault(_MOST_BYTES, control.fileno())
        try:
            message, descriptors = _messages.receive(control)
        except OSError:
            return None, []
    return message and message["order"], descriptors
