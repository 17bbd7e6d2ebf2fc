"""Groups written in one MULTI at a steady rate, and a process that judges whether executions see each group whole.

As a program it is the reader: group_traffic.py RESULT PATH...   Ends with its stdin, and leaves its tally in RESULT.
"""

import collections
import json
import os
import select
import socket
import sys
import threading
import time

PREFIX = b"bifrost:module:"
INDEX = b"bifrost:module:index"
DIGITS = 10  # of a version, so that every version has the same length


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def setex_and_sadd(path, version):
    value = json.dumps({"content": f"VERSION = '{version:0{DIGITS}d}'\n", "path": path, "hash": "h"}).encode()
    return command(b"SETEX", PREFIX + path.encode(), b"86400", value) + command(b"SADD", INDEX, path.encode())


class SteadyWriter(threading.Thread):
    """All of `paths` in one MULTI, `rate` times a second, on a connection of its own. Goes on whatever happens to Redis."""

    def __init__(self, socket_path, paths, rate):
        super().__init__(daemon=True)
        self.socket_path, self.paths, self.period = str(socket_path), list(paths), 1 / rate
        together = [command(b"MULTI"), command(b"EXEC")] if len(self.paths) > 1 else [b"", b""]
        # Encoded once: what changes is the version, in its place.
        self.pattern = together[0] + b"".join(setex_and_sadd(path, 0) for path in self.paths) + together[1]
        # QUEUED for each command and what EXEC answers, or one answer for each command.
        self.answers_lines = 2 * len(self.paths) * (2 if together[0] else 1) + (2 if together[0] else 0)
        self.version = self.acknowledged = 0
        self.stopping = False

    def run(self):
        connection = None
        due = time.monotonic()
        while not self.stopping:
            try:
                connection = connection or self.connect()
                self.write(connection)
            except OSError:
                connection = None
            due = max(due + self.period, time.monotonic() - 0.1)  # what a stall held up is not made up for
            time.sleep(max(0.0, due - time.monotonic()))

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(self.socket_path)
        return connection

    def write(self, connection):
        self.version += 1
        connection.sendall(self.pattern.replace(b"'%0*d'" % (DIGITS, 0), b"'%0*d'" % (DIGITS, self.version)))
        answers = b""
        while answers.count(b"\r\n") < self.answers_lines:
            received = connection.recv(1 << 16)
            if not received or received.startswith(b"-"):
                raise ConnectionError(received.decode(errors="replace"))
            answers += received
        self.acknowledged += 1

    def stop(self):
        self.stopping = True
        self.join(30)


def judge(result_path, paths):
    """Executions until stdin ends: from where they were served, and which saw two versions of the group."""
    import bifrost_cache

    os.nice(10)  # it takes whatever time there is, and writers are to keep their rate
    finder = bifrost_cache.install_virtual_import_hook()

    def content_of(path):
        spec = finder.find_spec(path[:-len(".py")].replace("/", "."))
        return spec.loader.get_data(spec.origin).decode() if spec and spec.loader else None

    served, torn, seen = collections.Counter(), [], set()
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        execution = bifrost_cache.begin_execution(fresh=number % 2 == 0)
        if execution.source != "shm":
            served[execution.source] += 1
            time.sleep(0.005)
            continue
        versions = {path: content_of(path) for path in paths}
        served["shm" if execution.intact else "lost"] += 1
        if len(set(versions.values())) > 1:
            torn.append([execution.generation, versions])
        seen.update(versions.values())
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump({"served": served, "torn": torn[:3], "torn_total": len(torn), "versions": len(seen)}, file)


if __name__ == "__main__":
    judge(sys.argv[1], sys.argv[2:])
