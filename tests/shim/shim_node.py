"""A node of the platform in miniature: a private Redis, an agent, and worker processes.

BIFROST_BUILD_DIR names the build to test (default: build/release).
"""

import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

import redis

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD_DIR = (ROOT / os.environ.get("BIFROST_BUILD_DIR", "build/release")).resolve()
WORKSPACE = "/tmp/bifrost-test/workspace"
DEADLINE_S = 20


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Waits for a state, with a deadline; returns the condition's value."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {deadline_s} s for {what}"
        time.sleep(0.005)


class Node:
    def __init__(self, base):
        self.base = base
        self.segment_dir = base / "segment"
        self.redis_socket = base / "redis.sock"
        self.redis_url = f"unix://{self.redis_socket}"
        self._redis = None
        self._agent = None
        self.client = redis.Redis(unix_socket_path=str(self.redis_socket))

    # Redis

    def start_redis(self):
        self._redis = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.redis_socket), "--save", ""],
            stdout=subprocess.DEVNULL,
            cwd=self.base,
        )
        wait_until(self._redis_answers, "redis-server")

    def _redis_answers(self):
        try:
            return self.client.ping()
        except redis.RedisError:
            return False

    def stop_redis(self):
        _end(self._redis)
        self._redis = None

    def put(self, path, content="", hash=None):
        """Writes a module as the platform does."""
        content = textwrap.dedent(content)
        if hash is None:
            hash = hashlib.sha256(content.encode()).hexdigest()
        self.put_raw(path, json.dumps({"content": content, "path": path, "hash": hash}))

    def put_raw(self, path, value):
        self.client.setex(f"bifrost:module:{path}", 86400, value)
        self.client.sadd("bifrost:module:index", path)

    def delete(self, path):
        self.client.delete(f"bifrost:module:{path}")
        self.client.srem("bifrost:module:index", path)

    # Agent

    def start_agent(self, *arguments):
        program = BUILD_DIR / "bin" / "bifrost-agent"
        self._agent = subprocess.Popen(
            [program, "--redis-url", self.redis_url, "--segment-dir", self.segment_dir, *arguments],
            stderr=open(self.base / "agent.log", "ab"),
            env=_clean_environment(),
        )
        wait_until(self._agent_answers, "bifrost-agent")

    def _agent_answers(self):
        assert self._agent.poll() is None, (self.base / "agent.log").read_text()
        with socket.socket(socket.AF_UNIX) as control:
            try:
                control.settimeout(1)
                control.connect(str(self.segment_dir / "control.sock"))
                control.sendall(b"fence\n")
                return control.recv(512).startswith(b"ok")
            except OSError:
                return False

    def stop_agent(self, how=signal.SIGTERM):
        _end(self._agent, how)
        self._agent = None

    def pause_agent(self):
        self._agent.send_signal(signal.SIGSTOP)

    def resume_agent(self):
        self._agent.send_signal(signal.SIGCONT)

    # Workers

    def environment(self, **extra):
        return {
            **_clean_environment(),
            "PYTHONPATH": str(BUILD_DIR / "python"),
            "BIFROST_REDIS_URL": self.redis_url,
            "BIFROST_SEGMENT_DIR": str(self.segment_dir),
            "BIFROST_WORKSPACE": WORKSPACE,
            **extra,
        }

    def python(self, *arguments, code=None, env=None):
        """A finished Python process of this node."""
        command = [sys.executable, *(["-c", textwrap.dedent(code)] if code is not None else []), *arguments]
        # Files instead of pipes: a grandchild that outlives the process must not keep us waiting.
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            done = subprocess.run(
                command, env=self.environment(**(env or {})), cwd=self.base, stdout=stdout, stderr=stderr, timeout=180
            )
            for stream in (stdout, stderr):
                stream.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, stdout.read(), stderr.read())

    def worker(self, code, env=None):
        """Runs `code` in a worker that has installed the hook; returns what it put into the dict `out`."""
        prologue = "import bifrost_cache as b\nout = {}\nif True:\n    import json as _json, sys\n"
        epilogue = "\nprint('\\n' + _json.dumps(out))\n"
        done = self.python(code=prologue + textwrap.dedent(code) + epilogue, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def execute(self, code, env=None):
        """The same, after install and begin_execution(); `execution` is what the latter returned."""
        begin = "b.install_virtual_import_hook()\nexecution = b.begin_execution()\n"
        return self.worker(begin + textwrap.dedent(code), env)

    def conversation(self):
        """A worker that is told line by line what to do."""
        return Conversation(self)

    def close(self):
        for process in (self._agent, self._redis):
            _end(process, signal.SIGKILL)


class Conversation:
    """One long-lived worker. `do` runs statements in it, `ask` evaluates an expression."""

    _LOOP = """
        import json, sys, traceback
        import bifrost_cache as b
        b.install_virtual_import_hook()
        names = {"b": b, "sys": sys}
        for line in sys.stdin:
            kind, code = json.loads(line)
            try:
                value = eval(code, names) if kind == "ask" else exec(code, names)
                answer = {"value": value}
            except BaseException as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)
    """

    def __init__(self, node):
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(self._LOOP)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=node.environment(),
            text=True,
        )

    def _say(self, kind, code):
        self._process.stdin.write(json.dumps([kind, textwrap.dedent(code)]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def ask(self, expression):
        answer = self._say("ask", expression)
        assert "error" not in answer, answer
        return answer["value"]

    def do(self, statements):
        answer = self._say("do", statements)
        assert "error" not in answer, answer

    def error_of(self, statements):
        return self._say("do", statements).get("error")

    def begin(self, **arguments):
        self.do(f"execution = b.begin_execution(**{arguments!r})")
        return self.ask(
            "{'generation': execution.generation, 'source': execution.source, 'evicted': execution.evicted}"
        )

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        _end(self._process)


def _clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("BIFROST_", "PYTHON", "REDIS_URL"))}


def _end(process, how=signal.SIGTERM):
    if process is None:
        return
    process.send_signal(signal.SIGCONT)
    process.send_signal(how)
    try:
        process.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
