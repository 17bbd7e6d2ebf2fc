"""A node as operators know it: a real redis-server, a real agent, real workers, each started and ended by this process."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import redis

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BIFROST_BUILD_DIR", REPOSITORY / "build" / "release")).resolve()
PATIENCE_S = 30.0
# What to put before a command that mounts something of its own, which nobody else sees.
IN_MOUNT_NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount"]


def eventually(condition, what, patience=PATIENCE_S):
    """Returns the first true value of `condition()`; fails after `patience` seconds, saying `what` did not happen."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {patience} s: {what}")
        select.select([], [], [], 0.01)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class RedisServer:
    def __init__(self, directory, *arguments):
        self.directory = pathlib.Path(directory)
        self.socket = self.directory / "redis.sock"
        self.arguments = arguments
        self.process = None

    @property
    def url(self):
        return f"unix://{self.socket}"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.directory),
             "--save", "", "--appendonly", "yes", "--loglevel", "warning", *self.arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers, "redis-server answers")
        return self

    def _answers(self):
        assert self.process.poll() is None, "redis-server ended at once"
        try:
            return self.client().ping()
        except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
            return False

    def client(self, **options):
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=PATIENCE_S, **options)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Agent:
    def __init__(self, node, *arguments, program=None, **environment):
        self.log_path = node.directory / f"agent-{time.monotonic_ns()}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program or BUILD / "bin" / "bifrost-agent", "--redis-url", node.agent_url or node.redis.url, "--segment-dir", node.segment_dir,
                 "--size", "8M", *arguments],
                stdout=subprocess.DEVNULL, stderr=log, env=node.environment(**environment))

    @property
    def log(self):
        return self.log_path.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self):
        """The exit code after SIGTERM."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


class Worker:
    """A long-lived Python process with the hook installed, told line by line what to do."""

    LOOP = """
import json, sys, traceback
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
names = {"bifrost_cache": bifrost_cache}
for line in sys.stdin:
    try:
        exec(json.loads(line), names)
        answer = {"ok": names.pop("answer", None)}
    except BaseException as e:
        answer = {"error": type(e).__name__, "text": str(e), "traceback": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
"""

    def __init__(self, node, **environment):
        self.process = subprocess.Popen([sys.executable, "-c", self.LOOP], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=node.environment(**environment), text=True)

    def do(self, code, patience=PATIENCE_S):
        """Runs `code` there; returns what it stored in `answer`, or raises WorkerRaised with its exception."""
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        assert ready, f"the worker did not answer within {patience} s"
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise WorkerRaised(answer["error"], answer["text"], answer["traceback"])
        return answer["ok"]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        self.process.stdout.close()


class WorkerRaised(Exception):
    def __init__(self, name, text, traceback):
        super().__init__(f"{name}: {text}")
        self.name, self.text, self.traceback = name, text, traceback


class Node:
    def __init__(self, *redis_arguments):
        # In memory, so that the machine's disk does not decide how long a test takes.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bifrost-system-", dir="/dev/shm"))
        self.segment_dir = self.directory / "segment"
        self.redis = RedisServer(self.directory, *redis_arguments)
        self.agent_url = None  # where the agent goes through something, or as somebody
        self.agent = None
        self.workers = []

    def environment(self, **changes):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BIFROST_") and k != "REDIS_URL"}
        environment.update(BIFROST_SEGMENT_DIR=str(self.segment_dir), BIFROST_REDIS_URL=self.redis.url,
                           PYTHONPATH=str(BUILD / "python"))
        environment.update(changes)
        return environment

    # --- Parts -----------------------------------------------------------------------------------------------

    def start_agent(self, *arguments, ready=True, **options):
        self.agent = Agent(self, *arguments, **options)
        if ready:
            # The lease of an agent that was killed is good for a moment longer: wait for this one's segment.
            pid = self.agent.process.pid
            eventually(lambda: (self.status() or {}).get("agent", {}).get("pid") == pid, "the agent publishes")
            self.wait("--ready")
        return self.agent

    def worker(self, **environment):
        self.workers.append(Worker(self, **environment))
        return self.workers[-1]

    def close(self):
        for worker in self.workers:
            worker.close()
        if self.agent and self.agent.process.poll() is None:
            self.agent.process.send_signal(signal.SIGCONT)
            self.agent.kill()
        self.redis.stop()
        shutil.rmtree(self.directory)

    # --- What writers do ---------------------------------------------------------------------------------------

    @staticmethod
    def value(path, content, content_hash="h"):
        return json.dumps({"content": content, "path": path, "hash": content_hash})

    def publish(self, path, content, content_hash="h"):
        client = self.redis.client()
        client.setex(f"bifrost:module:{path}", 86400, self.value(path, content, content_hash))
        client.sadd("bifrost:module:index", path)

    def delete(self, path):
        client = self.redis.client()
        client.delete(f"bifrost:module:{path}")
        client.srem("bifrost:module:index", path)

    # --- What operators do -------------------------------------------------------------------------------------

    def cachectl(self, *arguments, **options):
        return subprocess.run([BUILD / "bin" / "bifrost-cachectl", *map(str, arguments)], capture_output=True,
                              env=self.environment(), timeout=2 * PATIENCE_S, **options)

    def status(self):
        """What `status -o json` says; None when there is no segment."""
        out = self.cachectl("status", "-o", "json").stdout
        return json.loads(out) if out else None

    def wait(self, *what):
        result = self.cachectl("wait", *what, "--timeout", f"{PATIENCE_S:.0f}s")
        assert result.returncode == 0, (result, self.agent.log)

    # --- What executions do ------------------------------------------------------------------------------------

    def run(self, code, patience=PATIENCE_S, **environment):
        """Runs `code` in a fresh interpreter after hook and begin_execution; returns what it stored in `answer`."""
        prelude = ("import json, bifrost_cache\nbifrost_cache.install_virtual_import_hook()\n"
                   "execution = bifrost_cache.begin_execution()\nanswer = None\n")
        result = subprocess.run([sys.executable, "-c", prelude + code + "\nprint(json.dumps(answer))"],
                                capture_output=True, text=True, timeout=patience,
                                env=self.environment(**environment))
        if result.returncode != 0:
            last = result.stderr.strip().splitlines()[-1]
            name, _, text = last.partition(": ")
            raise WorkerRaised(name, text, result.stderr)
        answer = json.loads(result.stdout.splitlines()[-1])
        self.last_stderr = result.stderr
        return answer


@contextlib.contextmanager
def running_node(*redis_arguments):
    node = Node(*redis_arguments)
    try:
        node.redis.start()
        yield node
    finally:
        node.close()
