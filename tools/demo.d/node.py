"""The processes of one node: a private Redis on a Unix socket and an agent, in a temporary directory.

Whatever happens, close() ends what was started, by its own process handle, and removes the directory.
"""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

END_S = 10
COMPILE_S = 60
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A step of the demo did not hold; the message says which."""


def expect(condition, message):
    if not condition:
        raise Failed(message)


def wait_until(condition, seconds, message):
    """Waits for a state, never longer than `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, message)
        time.sleep(0.01)


_libc = ctypes.CDLL(None)


def _die_with_the_demo():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Node:
    def __init__(self, build):
        self.programs = build / "bin"
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bifrost-demo-"))
        self.segment_dir = self.home / "segment"
        self.socket = self.home / "redis.sock"
        self.redis_url = f"unix://{self.socket}"
        self.workspace = self.home / "virtual"  # the prefix of every __file__; this directory never exists
        self.redis = None
        self.agent = None
        self.segment_dir.mkdir()

    def settings(self):
        """What tells agent, workers and cachectl of this node."""
        return {
            "BIFROST_REDIS_URL": self.redis_url,
            "BIFROST_SEGMENT_DIR": str(self.segment_dir),
            "BIFROST_WORKSPACE": str(self.workspace),
            # A worker warns when it imports from a stale mirror; the demo checks and prints that flag itself.
            "PYTHONWARNINGS": "ignore:bifrost:RuntimeWarning",
        }

    def _start(self, command, log):
        with open(self.home / log, "ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                    env={**os.environ, **self.settings()}, preexec_fn=_die_with_the_demo)

    def start_redis(self):
        data = self.home / "redis"
        data.mkdir(exist_ok=True)
        self.redis = self._start(["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", data,
                                  "--appendonly", "yes", "--save", "", "--daemonize", "no"], "redis.log")

    def start_agent(self):
        self.agent = self._start([self.programs / "bifrost-agent", "--redis-url", self.redis_url, "--segment-dir",
                                  self.segment_dir, "--python", sys.executable], "agent.log")

    def wait_until_compiled(self):
        def compiled():
            status = json.loads(self.cachectl("status", "-o", "json"))
            return status["code"] and all(count == status["modules"] for count in status["code"].values())

        wait_until(compiled, COMPILE_S, "not every module has compiled code")

    def stop_redis(self):
        self._end(self.redis)

    def stop_agent(self):
        self._end(self.agent)
        expect(self.agent.returncode == 0, f"the agent ended with status {self.agent.returncode} after SIGTERM")

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait(END_S)

    def forget_segment(self):
        shutil.rmtree(self.segment_dir)
        self.segment_dir.mkdir()

    def cachectl(self, *arguments, status=0):
        """The standard output of a verb that must end with `status`."""
        result = subprocess.run([self.programs / "bifrost-cachectl", *arguments], capture_output=True, text=True,
                                env={**os.environ, **self.settings()}, timeout=120)
        expect(result.returncode == status, f"bifrost-cachectl {' '.join(map(str, arguments))} ended with status "
               f"{result.returncode} instead of {status}: {result.stderr.strip()}")
        return result.stdout

    def log_tail(self):
        lines = []
        for log in ("redis.log", "agent.log"):
            path = self.home / log
            if path.exists():
                lines += [f"{log}: {line}" for line in path.read_text(errors="replace").splitlines()[-15:]]
        return lines

    @staticmethod
    def _end(process):
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self):
        self._end(self.agent)
        self._end(self.redis)
        shutil.rmtree(self.home, ignore_errors=True)
