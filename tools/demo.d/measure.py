"""What the demo measures. Every number comes from this run."""

import contextlib
import importlib.util
import mmap
import os
import shutil
import socket
import statistics
import sys
import time

import plain_hook
import platform_writer
from harness import eventually, expect

EDITS = 200
ROUNDS = 7
AGENT_ARGUMENTS = ("--size", "32M", "--python", sys.executable)
# docs/shm-layout.md, control block: the word with the newest generation.
GENERATION_OFFSET = 1024
# The libraries whose imports are timed; the workflow modules themselves are too few to tell.
TIMED = ["jinja2", "docutils.core", "docutils.parsers.rst", "docutils.writers.html5_polyglot"]
# The distributions that come from the mirror. Which one docutils reads Roman numerals with depends on Debian's release.
COUNTED = ["jinja2", "markupsafe", "docutils", "roman" if importlib.util.find_spec("roman") else "roman_numerals"]


def warm_up(node):
    """Seconds from starting an agent without any segment to a mirror that is ready."""
    status = node.agent.stop()
    expect(status == 0, f"the agent ended with status {status} after SIGTERM")
    shutil.rmtree(node.segment_dir)
    start = time.perf_counter()
    node.start_agent(*AGENT_ARGUMENTS, ready=False)
    node.wait("--ready")
    return time.perf_counter() - start


def write_to_visible(node, client, path):
    """Two lists with one entry per edit, in seconds: from sending SETEX to Redis' reply, and from there to the moment
    when a reader sees the new generation.

    Over a bare socket: redis-py takes longer to hand over the reply than the agent to publish the edit. Where
    processors are scarce the edit is often visible before the writer has been woken up to read its reply.
    """
    platform_writer.write(client, path, "EDIT = -1\n")
    node.wait("--fresh")
    to_reply, to_visible = [], []
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(5)
        connection.connect(str(node.redis.socket))
        file = stack.enter_context(open(node.segment_dir / "segment", "rb"))
        segment = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        view = stack.enter_context(memoryview(segment))
        generation = stack.enter_context(view[GENERATION_OFFSET : GENERATION_OFFSET + 8].cast("Q"))
        for number in range(EDITS):
            command = resp(platform_writer.set_command(path, f"EDIT = {number}\n"))
            before = generation[0]
            sent = time.perf_counter()
            connection.sendall(command)
            reply = connection.recv(64)
            acknowledged = time.perf_counter()
            while generation[0] == before:
                expect(time.perf_counter() - acknowledged < 5, f"edit {number} of {path} was not visible within 5 s")
                os.sched_yield()
            to_visible.append(time.perf_counter() - acknowledged)
            to_reply.append(acknowledged - sent)
            expect(reply == b"+OK\r\n", f"Redis refused an edit: {reply!r}")
    return to_reply, to_visible


def resp(command):
    """A command in Redis' protocol."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)])


class Imports:
    """Seconds per module, ours and the plain hook's, in fresh processes and in turns: A B A B."""

    def __init__(self, node, execute, redis_py):
        kwargs = {"names": TIMED, "beforehand": [], "counted": COUNTED}
        target = "workflows.timed_imports:run"
        first = execute(target, kwargs, timeout=60)
        kwargs["beforehand"] = first["others"]  # the standard library is nobody's merit
        self.modules = first["modules"]
        mirror, plain = [], []
        for _ in range(ROUNDS):
            for times, answer in (
                (mirror, execute(target, kwargs, timeout=60)),
                (plain, plain_hook.execute(target, kwargs, redis_socket=str(node.redis.socket), redis_py=redis_py,
                                           timeout=60)),
            ):
                expect(answer["modules"] == self.modules, f"{answer['modules']} modules imported, not {self.modules}")
                times.append(answer["seconds"])
        self.mirror = statistics.median(mirror) / self.modules
        self.plain = statistics.median(plain) / self.modules


class Starts:
    """Seconds from asking for an execution to its first line, its imports done: spawned and forked from a template."""

    def __init__(self, execute):
        from bifrost_cache.zygote import Zygote

        target = "workflows.first_line:run"
        spawned, forked = [], []
        with Zygote() as zygote:
            zygote.execute(target, timeout=60)
            eventually(lambda: target.partition(":")[0] in self._stats(zygote)["warm"], "the template is ready")
            for _ in range(ROUNDS):
                for times, start in ((spawned, execute), (forked, zygote.execute)):
                    asked = time.monotonic()
                    times.append(start(target, timeout=60) - asked)
            stats = self._stats(zygote)
        expect(stats["spawned"] == 0,
               f"the zygote spawned {stats['spawned']} of {stats['executions']} executions: {stats['trouble']}")
        self.modules = len(stats["warm"])
        self.spawn = statistics.median(spawned)
        self.zygote = statistics.median(forked)

    @staticmethod
    def _stats(zygote):
        return next(iter(zygote.stats().values()))


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def machine():
    """One line about what was measured on."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = shutil.disk_usage("/dev/shm").total >> 20 if os.path.isdir("/dev/shm") else 0
    return f"{os.cpu_count()} x {model}, {memory} MiB in /dev/shm"
