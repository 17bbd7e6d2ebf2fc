"""The process that asks for executions: `boss.py ORDER`, a JSON file. Each line it reads, `WAY COUNT`, it answers with
one line of JSON: [[seconds from asking to the first line, private bytes, value], ...], COUNT at once.

Its module level is as small as a platform's: spawned children run it again.
"""

import json
import os
import sys
import threading
import time

import children


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    here = sys.path.pop(0)
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("-packages")]
    sys.path += [here, order["package"], order["rest"]]
    os.environ.update(order["environment"])
    ways = {name: way(order) for name, way in WAYS.items() if name in order["ways"]}
    answers.write(json.dumps("ready") + "\n")
    answers.flush()
    for line in sys.stdin:
        way, count = line.split()
        answers.write(json.dumps(ways[way].ask(int(count))) + "\n")
        answers.flush()
    for way in ways.values():
        way.close()


def at_once(function, count):
    """[seconds from here to what function() says, ...] with its other values."""
    results = [None] * count
    start = time.monotonic()

    def one(number):
        first, private, value = function()
        results[number] = [first - start, private, value]

    if count == 1:
        one(0)
    else:
        threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return results


class Started:
    """Processes of multiprocessing's, by one of its methods."""

    method = "spawn"
    target = staticmethod(children.from_mirror)

    def __init__(self, order):
        import multiprocessing

        self.order = order
        self.context = multiprocessing.get_context(self.method)

    def ask(self, count):
        return at_once(self.one, count)

    def one(self):
        reader, writer = self.context.Pipe(duplex=False)
        process = self.context.Process(target=self.target, args=(writer, self.order["flow"]))
        process.start()
        writer.close()
        values = reader.recv()
        process.join()
        return values

    def close(self):
        pass


class SpawnedWithFiles(Started):
    target = staticmethod(children.from_path)

    def ask(self, count):
        sys.path.insert(0, self.order["path"])
        try:
            return super().ask(count)
        finally:
            sys.path.remove(self.order["path"])


class ForkServer(SpawnedWithFiles):
    """The standard library's, with the workflow preloaded from files: fast, and blind to every edit."""

    method = "forkserver"

    def __init__(self, order):
        super().__init__(order)
        from multiprocessing import forkserver

        self.context.set_forkserver_preload([order["flow"]])
        # On Python 3.11 the server does not take over sys.path before it preloads.
        os.environ["PYTHONPATH"] = os.pathsep.join([order["path"], *sys.path])
        forkserver.ensure_running()
        del os.environ["PYTHONPATH"]


class Execute:
    def __init__(self, order):
        from bifrost_cache import worker

        self.execute = worker.execute
        self.target = f"{order['flow']}:first_line"

    def ask(self, count):
        return at_once(lambda: self.execute(self.target), count)

    def close(self):
        pass


class Zygote(Execute):
    warm = "modules"

    def __init__(self, order):
        from bifrost_cache.zygote import Zygote

        self.zygote = Zygote(warm=self.warm, preload=order["preload"])
        self.execute = self.zygote.execute
        self.target = f"{order['flow']}:first_line"
        self.execute(self.target)
        self.settle()

    def stats(self):
        return next(iter(self.zygote.stats().values()))

    def settle(self):
        kind = {"modules": "modules", "code": "hold", "none": "root"}[self.warm]
        deadline = time.monotonic() + 60
        while kind not in self.stats()["processes"]:
            if time.monotonic() > deadline:
                raise SystemExit(f"no template: {self.stats()}")
            time.sleep(0.01)
        if self.stats()["skipped"]:
            raise SystemExit(f"left out: {self.stats()['skipped']}")

    def close(self):
        stats = self.stats()
        self.zygote.close()
        if stats["spawned"]:
            raise SystemExit(f"executions were spawned: {stats}")


class ZygoteOfCode(Zygote):
    warm = "code"


class ZygoteOfNothing(Zygote):
    warm = "none"


class OwnTemplate:
    word = "run"

    def __init__(self, order):
        import subprocess

        code = ("import os, sys; sys.path[:] = {0!r}; import children; "
                "children.template(sys.stdin, int(sys.argv[1]), {1!r}, {2!r})")
        self.reader, writer = os.pipe()
        command = [sys.executable, "-B", "-c", code.format(sys.path, order["flow"], order["preload"]), str(writer)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[writer], text=True)
        os.close(writer)
        self.ask(1)

    def ask(self, count):
        start = time.monotonic()
        self.process.stdin.write(f"{self.word} {count}\n")
        self.process.stdin.flush()
        received = b""
        while received.count(b"\n") < count:
            chunk = os.read(self.reader, 4096)
            if not chunk:
                raise SystemExit("the template has ended")
            received += chunk
        rows = [line.split() for line in received.decode().splitlines()]
        return [[float(first) - start, int(private), int(value)] for first, private, value in rows]

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        os.close(self.reader)


class BareFork(OwnTemplate):
    word = "bare"


WAYS = {
    "spawn-pyc": SpawnedWithFiles,
    "spawn-hook": Started,
    "execute": Execute,
    "forkserver": ForkServer,
    "fork-none": ZygoteOfNothing,
    "zygote-code": ZygoteOfCode,
    "zygote-modules": Zygote,
    "own-template": OwnTemplate,
    "bare-fork": BareFork,
}

if __name__ == "__main__":
    main()
