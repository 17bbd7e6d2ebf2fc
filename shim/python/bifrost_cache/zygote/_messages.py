"""What parent, templates and children send each other.

Over a template's control socket (SOCK_SEQPACKET): one pickled dict per packet, descriptors with it; large ones travel
as a memory file. A child's answer, over a stream: BEGUN before anything of its order has run, or CHANGED; then eight
bytes of length and pickled data.
"""

import fcntl
import os
import pickle
import select
import socket
import time
from multiprocessing import reduction

LENGTH_BYTES = 8
BEGUN, CHANGED = b"b", b"c"
_MOST_PACKET_BYTES = 1 << 15
_SPILLED = "in memory"  # instead of a message that fits no packet: it is in the last descriptor
_MOST_DESCRIPTORS = 8
_LONGEST_POLL_MS = 1 << 30  # it takes a C int


def control_pair():
    """OSError for want of descriptors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return _socket_beyond_streams(ours), _socket_beyond_streams(theirs)


class NotPacked(OSError):
    """There is no room or descriptor for a large message: nobody else is to blame."""


def send(control, message, descriptors=(), wait=True):
    """NotPacked; OSError when the other side is gone; with wait=False also when it does not read and the socket is
    full."""
    flags = socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT)
    data = pickle.dumps(message)
    if len(data) <= _MOST_PACKET_BYTES:
        socket.send_fds(control, [data], list(descriptors), flags)
        return
    try:
        file = in_memory(message)
    except OSError as error:
        raise NotPacked(*error.args) from error
    try:
        socket.send_fds(control, [pickle.dumps(_SPILLED)], [*descriptors, file], flags)
    finally:
        os.close(file)


def receive(control):
    """(message, descriptors); (None, []) when the other side is gone."""
    data, descriptors, _, _ = socket.recv_fds(control, _MOST_PACKET_BYTES, _MOST_DESCRIPTORS)
    descriptors = [_beyond_streams(descriptor) for descriptor in descriptors]
    message = pickle.loads(data) if data else None
    return (from_memory(descriptors.pop()) if message == _SPILLED else message), descriptors


class Handed:
    """A socket as an argument of a process that is spawned. Those of gevent and eventlet cannot be pickled."""

    def __init__(self, end):
        self._end = end

    def __reduce__(self):
        return _taken, (reduction.DupFd(self._end.fileno()),)


def _taken(descriptor):
    return socket.socket(fileno=descriptor.detach())


def _socket_beyond_streams(end):
    return end if end.fileno() > 2 else socket.socket(fileno=_beyond_streams(end.detach()))


def _beyond_streams(descriptor):
    """Where the host has closed its standard streams, a descriptor may come as one of these, which a child replaces
    and which others write to."""
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def in_memory(value):
    """A descriptor of a file that holds `value`; its reader closes it."""
    data = pickle.dumps(value)
    file = os.memfd_create("bifrost order")
    try:
        with os.fdopen(file, "wb", closefd=False) as writer:
            writer.write(data)
    except BaseException:
        os.close(file)
        raise
    return file


def from_memory(descriptor):
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return pickle.load(file)


def packed_order(value):
    """(pickled, []), or (None, [a descriptor of it in memory]) when it is too large for a packet."""
    data = pickle.dumps(value)
    return (data, []) if len(data) <= _MOST_PACKET_BYTES // 2 else (None, [in_memory(value)])


def unpacked_order(data, descriptors):
    return pickle.loads(data) if data is not None else from_memory(descriptors[0])


def framed(value):
    data = pickle.dumps(value)
    return len(data).to_bytes(LENGTH_BYTES, "little") + data


def frame_in(received):
    """The value in the received bytes, or None when they are not all there yet."""
    if len(received) < LENGTH_BYTES:
        return None
    end = LENGTH_BYTES + int.from_bytes(received[:LENGTH_BYTES], "little")
    return pickle.loads(memoryview(received)[LENGTH_BYTES:end]) if len(received) >= end else None


def poll(descriptors, until):
    """{descriptor: events} once one is ready, {} when the time `until` (None: never) has come."""
    poller = select.poll()
    for descriptor, events in descriptors.items():
        poller.register(descriptor, events)
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        ready = dict(poller.poll(None if left is None else min(left * 1000 + 1, _LONGEST_POLL_MS)))
        if ready or (left is not None and left * 1000 < _LONGEST_POLL_MS):
            return ready
