"""A node as operators know it: a real redis-server, a real agent, real workers, each started and ended by this process."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import textwrap

from harness.agent import Agent
from harness.cachectl import Cachectl
from harness.places import PACKAGE, short_directory
from harness.processes import clean_environment
from harness.redis_server import RedisServer
from harness.waiting import PATIENCE_S, eventually, expect
from harness.worker import Worker, WorkerRaised

PREFIX = "bifrost:module:"
INDEX = "bifrost:module:index"
BATCH = 500


class Node:
    def __init__(self, *redis_arguments, directory=None, redis=None, workspace=None):
        """Nothing runs yet. `directory` becomes the node's own; `redis` stays somebody else's.

        `workspace` is that of the workers. The agent is not told: what it shares must not depend on it.
        """
        self.directory = directory or short_directory()
        self.segment_dir = self.directory / "segment"
        self.redis = redis or RedisServer(self.directory, *redis_arguments)
        self._owns_redis = redis is None
        self.workspace = workspace
        self.agent_url = None  # where the agent goes through something, or as somebody
        self.agent = None
        self.workers = []

    def _settings(self):
        return {**clean_environment(), "BIFROST_SEGMENT_DIR": str(self.segment_dir), "BIFROST_REDIS_URL": self.redis.url,
                "PYTHONPATH": str(PACKAGE)}

    def environment(self, **changes):
        workspace = {"BIFROST_WORKSPACE": str(self.workspace)} if self.workspace else {}
        return {**self._settings(), **workspace, **changes}

    # --- Parts -----------------------------------------------------------------------------------------------

    def start_agent(self, *arguments, ready=True, program=None, **environment):
        chosen = {"program": program} if program else {}
        self.agent = Agent(self.directory, self.agent_url or self.redis.url, self.segment_dir, *arguments,
                           environment={**self._settings(), **environment}, **chosen)
        if ready:
            self.wait_for_agent()
        return self.agent

    def wait_for_agent(self):
        # The lease of an agent that was killed is good for a moment longer: wait for this one's segment.
        eventually(self._published, "the agent publishes")
        self.wait("--ready")

    def _published(self):
        expect(self.agent.process.poll() is None, f"the agent ended at once: {self.agent.log}")
        return (self.status() or {}).get("agent", {}).get("pid") == self.agent.process.pid

    def worker(self, **environment):
        self.workers.append(Worker(self.environment(**environment), self.directory))
        return self.workers[-1]

    def close(self):
        for worker in self.workers:
            worker.close()
        if self.agent:
            self.agent.kill()
        if self._owns_redis:
            self.redis.stop()
        shutil.rmtree(self.directory)

    def log_tail(self):
        """The last lines of every log, for whoever has to explain a failure."""
        return "\n".join(f"{path.name}: {line}" for path in sorted(self.directory.glob("*.log"))
                         for line in path.read_text(errors="replace").splitlines()[-15:])

    # --- What writers do ---------------------------------------------------------------------------------------

    @staticmethod
    def value(path, content, content_hash="h"):
        return json.dumps({"content": content, "path": path, "hash": content_hash})

    def put(self, path, content="", hash=None):
        """Writes a module as the platform does."""
        self.put_raw(path, self.value(path, content, hashlib.sha256(content.encode()).hexdigest() if hash is None else hash))

    def put_raw(self, path, value):
        client = self.redis.client()
        client.setex(PREFIX + path, 86400, value)
        client.sadd(INDEX, path)

    def put_many(self, modules):
        """Writes (path, content) pairs, many in one round trip."""
        pipe = self.redis.client().pipeline(transaction=False)
        for number, (path, content) in enumerate(modules, 1):
            pipe.setex(PREFIX + path, 86400, self.value(path, content))
            pipe.sadd(INDEX, path)
            if number % BATCH == 0:
                pipe.execute()
        pipe.execute()

    def delete(self, path):
        client = self.redis.client()
        client.delete(PREFIX + path)
        client.srem(INDEX, path)

    # --- What operators do -------------------------------------------------------------------------------------

    @property
    def cachectl(self):
        return Cachectl(self.segment_dir, environment=self.environment())

    def status(self):
        """What `status -o json` says, ready or not; None when there is no segment."""
        out = self.cachectl("status", "-o", "json").stdout
        return json.loads(out) if out else None

    def wait(self, *what):
        result = self.cachectl("wait", *what, "--timeout", f"{PATIENCE_S:.0f}s")
        expect(result.returncode == 0, f"{result}\n{self.agent.log if self.agent else ''}")

    def wait_for_code(self, modules=None, patience=PATIENCE_S):
        """Waits until so many modules, or all, have code for every interpreter of the agent."""
        def compiled():
            status = self.status()
            return status["code"] and min(status["code"].values()) >= (modules or status["modules"])

        eventually(compiled, f"{modules or 'all'} modules are compiled", patience)

    # --- What executions do ------------------------------------------------------------------------------------

    def python(self, *arguments, code=None, env=None, patience=180):
        """A finished Python process of this node, in the node's directory."""
        command = [sys.executable, *(["-c", textwrap.dedent(code)] if code is not None else []), *map(str, arguments)]
        # Files instead of pipes: a grandchild that outlives the process must not keep us waiting.
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            done = subprocess.run(command, env=self.environment(**(env or {})), cwd=self.directory, stdout=stdout,
                                  stderr=stderr, timeout=patience)
            for stream in (stdout, stderr):
                stream.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, stdout.read(), stderr.read())

    def script(self, code, env=None, patience=180):
        """Runs `code` in a fresh worker without a hook; returns what it stored in `answer`, or in the dict `out`."""
        prologue = "import bifrost_cache, json as _json, sys\nb, answer, out = bifrost_cache, None, {}\n"
        epilogue = "\nprint('\\n' + _json.dumps(out or answer))\n"
        done = self.python(code=prologue + textwrap.dedent(code) + epilogue, env=env, patience=patience)
        self.last_stderr = done.stderr
        if done.returncode != 0:
            name, _, text = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1].partition(": ")
            raise WorkerRaised(name, text, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def execute(self, code, env=None, patience=180):
        """The same after hook and begin_execution(), which returned `execution`."""
        begin = "b.install_virtual_import_hook()\nexecution = b.begin_execution()\n"
        return self.script(begin + textwrap.dedent(code), env, patience)

    def run(self, code, patience=PATIENCE_S, **environment):
        """The same, with the variables of its environment as keywords."""
        return self.execute(code, environment, patience)


@contextlib.contextmanager
def running_node(*redis_arguments, **options):
    """A node with Redis running and no agent."""
    node = Node(*redis_arguments, **options)
    try:
        node.redis.start()
        yield node
    finally:
        node.close()
