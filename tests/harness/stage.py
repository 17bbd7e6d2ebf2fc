"""Plays the agent: writes into a real segment what a test tells it to."""

import json
import socket
import threading

from harness.conversation import Conversation
from harness.places import BUILD


class Stage:
    def __init__(self, directory):
        self._program = Conversation([BUILD / "bin" / "segment_stage", directory])
        # An agent has one. Nobody answers here.
        self._control = socket.socket(socket.AF_UNIX)
        self._control.bind(str(directory / "control.sock"))
        self._answers = {}
        self.directory = directory
        self.segment = directory / "segment"

    def tell(self, **line):
        self._program.tell(json.dumps(line))
        assert (heard := self._program.hear()) == "ok", heard

    def answer(self, documents):
        """From now on the control socket answers these requests with these documents."""
        first = not self._answers
        self._answers = documents
        if first:
            self._control.listen()
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._control.accept()
            except OSError:  # closed
                return
            with client:
                request = client.makefile().readline().strip()
                answer = f"ok {json.dumps(self._answers[request])}" if request in self._answers else "error not played"
                client.sendall(answer.encode() + b"\n")

    def publish(self, modules):
        """Commits `modules` ({path: source}) in a healthy mirror whose lease outlasts the test."""
        for path, source in modules.items():
            self.tell(put=path, content=source, hash=f"hash of {path}")
        self.tell(commit=True)
        self.be_live()

    def be_live(self):
        self.tell(heartbeat_ms_ago=0, lease_ms=600_000)
        self.tell(state="live")

    def close(self):
        self._program.close()
        if self._answers:
            self._control.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._control.close()
