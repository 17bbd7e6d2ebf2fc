"""A long-lived program that answers each line it is told with one line."""

import os
import select
import subprocess
import tempfile
import time

from harness import processes
from harness.waiting import PATIENCE_S, Failed, expect


class Conversation:
    END_S = 10

    def __init__(self, command, **options):
        # A file, which unlike a pipe is never full.
        self._errors = tempfile.TemporaryFile()
        self._rest = b""
        self.process = processes.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                                       **options)

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, patience=PATIENCE_S):
        """The next line; Failed with the program's last words when it has none to give."""
        deadline = time.monotonic() + patience
        output = self.process.stdout.fileno()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([output], [], [], max(0, deadline - time.monotonic()))
            expect(ready, f"no answer within {patience} s")
            chunk = os.read(output, 1 << 16)
            if not chunk:
                raise Failed(f"a program ended early:\n{self.errors()[-3000:]}")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def errors(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def close(self):
        """Its input ends, and it with that; or it is killed."""
        self.process.stdin.close()
        try:
            self.process.wait(self.END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._errors.close()
