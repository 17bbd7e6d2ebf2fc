"""A TCP proxy in front of Redis that can misbehave in every way a network can. One thread; faults are attributes.

held       nothing moves, connections stay open (pause, half-open peer)       swallow   input is read and thrown away
delay_s    {"to_redis": s, "to_client": s}: one direction, or both            dribble   one byte at a time
silent_after  {number: bytes}: so much the connection accepted as that is answered, and nothing more
elsewhere  {number: path}: the connection accepted as that leads to this server
only       "odd" or "even": the faults hit only every second connection; a number: only the connection accepted as that
"""

import collections
import contextlib
import selectors
import socket
import struct
import threading
import time


class Flow:
    """One direction of one connection."""

    def __init__(self, source, sink, direction, number):
        self.source, self.sink, self.direction, self.number = source, sink, direction, number
        self.waiting = collections.deque()  # (due, bytes)
        self.ended = False
        self.read_bytes = 0


class FaultProxy:
    CHUNK = 1 << 16
    MAX_WAITING = 256  # chunks of a flow; beyond it the source is not read

    def __init__(self, upstream):
        self.upstream = str(upstream)  # path of a Unix socket
        self.heal()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.flows = []
        self.accepted = 0
        self.commands = collections.deque()
        self.wake_end, self.waker = socket.socketpair()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def heal(self):
        self.held = self.swallow = self.dribble = self.refusing = False
        self.only = None
        self.silent_after = {}
        self.elsewhere = {}
        self.delay_s = {"to_redis": 0.0, "to_client": 0.0}

    def reset_all(self):
        """Ends every connection with RST."""
        self._do(self._reset_all)

    def half_close(self):
        """Sends FIN to every client; their own direction stays open."""
        self._do(lambda: [self._shut(f.sink) for f in self.flows if f.direction == "to_client"])

    def switch(self, upstream):
        """From now on this is the server; the connections to the one before are cut."""
        self.upstream = str(upstream)
        self.reset_all()

    def close(self):
        self.stopping = True
        self.waker.send(b".")
        self.thread.join(10)

    def _do(self, command):
        done = threading.Event()
        self.commands.append((command, done))
        self.waker.send(b".")
        assert done.wait(10), "the proxy's thread is gone"

    @staticmethod
    def _shut(sock):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)

    def _reset_all(self):
        for flow in self.flows:
            with contextlib.suppress(OSError):
                if flow.source.family == socket.AF_INET:
                    flow.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            flow.source.close()
        self.flows.clear()

    def _accept(self):
        client, _ = self.listener.accept()
        if self.refusing:
            return client.close()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.elsewhere.get(self.accepted + 1, self.upstream)))
        except OSError:
            server.close()
            return client.close()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted += 1
        for sock in (client, server):
            sock.setblocking(False)
        self.flows += [Flow(client, server, "to_redis", self.accepted),
                       Flow(server, client, "to_client", self.accepted)]
        return None

    def _hit(self, flow):
        return self.only in (None, flow.number, "odd" if flow.number % 2 == 1 else "even")

    def _run(self):
        while not self.stopping:
            self._take_input()
            while self.commands:
                command, done = self.commands.popleft()
                command()
                done.set()
            self._move()
        self._reset_all()
        self.listener.close()

    def _take_input(self):
        """Selects anew each turn: the set of readable flows depends on the faults of the moment."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ, None)
            selector.register(self.wake_end, selectors.EVENT_READ, None)
            waiting = False
            for flow in self.flows:
                waiting = waiting or bool(flow.waiting)
                if not flow.ended and len(flow.waiting) < self.MAX_WAITING and not (self.held and self._hit(flow)):
                    selector.register(flow.source, selectors.EVENT_READ, flow)
            timeout = 0.002 if waiting or self.held else 0.05
            ready = [key for key, _ in selector.select(timeout)]
        for key in ready:
            if key.fileobj is self.listener:
                self._accept()
            elif key.fileobj is self.wake_end:
                self.wake_end.recv(4096)
            else:
                self._read(key.data)

    def _read(self, flow):
        try:
            data = flow.source.recv(self.CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            flow.ended = True
        data = data[:self._left_to_say(flow)]
        flow.read_bytes += len(data)
        if data and not (self.swallow and self._hit(flow)):
            delay = self.delay_s[flow.direction] if self._hit(flow) else 0.0
            flow.waiting.append((time.monotonic() + delay, data))

    def _left_to_say(self, flow):
        if flow.direction != "to_client" or flow.number not in self.silent_after:
            return self.CHUNK
        return max(0, self.silent_after[flow.number] - flow.read_bytes)

    def _move(self):
        finished = []
        for flow in self.flows:
            try:
                self._send_due(flow)
            except BlockingIOError:
                continue
            except OSError:
                flow.ended = True
                flow.waiting.clear()
            if flow.ended and not flow.waiting:
                finished.append(flow)
        for flow in finished:
            pair = [f for f in self.flows if f.source in (flow.source, flow.sink)]
            for f in pair:
                f.source.close()
            self.flows = [f for f in self.flows if f not in pair]

    def _send_due(self, flow):
        hit = self._hit(flow)
        while flow.waiting and flow.waiting[0][0] <= time.monotonic() and not (self.held and hit):
            due, data = flow.waiting.popleft()
            part = data[:1] if self.dribble and hit else data
            try:
                sent = flow.sink.send(part)
            except BlockingIOError:
                flow.waiting.appendleft((due, data))
                raise
            if sent < len(data):
                flow.waiting.appendleft((due, data[sent:]))
                if self.dribble:
                    return
