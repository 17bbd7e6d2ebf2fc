"""What tests of bifrost-cachectl are made of: a way to run it, and something that plays the agent.

BIFROST_BUILD_DIR names the build tree (default: build/release of the repository).
"""

import contextlib
import json
import os
import pathlib
import subprocess
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BIFROST_BUILD_DIR", REPOSITORY / "build" / "release"))
DEADLINE_S = 20


def wait_until(condition, what):
    """Returns what `condition` returns once it is true; fails after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.005)


def end_process(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


class Cachectl:
    """Runs bifrost-cachectl with an environment that holds nothing of the machine's own settings."""

    program = BUILD / "bin" / "bifrost-cachectl"

    def __init__(self, segment_dir, redis_url="unix:///nonexistent/redis.sock"):
        self.env = {"PATH": os.environ.get("PATH", ""), "BIFROST_SEGMENT_DIR": str(segment_dir),
                    "BIFROST_REDIS_URL": redis_url}

    def __call__(self, *arguments, **options):
        options = {"capture_output": True, "timeout": 60, "env": self.env, **options}
        return subprocess.run([self.program, *arguments], **options)

    def json(self, *arguments, status=0):
        """The parsed answer of a verb that must end with `status`."""
        result = self(*arguments, "-o", "json")
        assert result.returncode == status, result.stderr.decode()
        return json.loads(result.stdout.decode("utf-8"))


def beside_system_config(text, user=0):
    """What to put before a command so that it sees /etc/bifrost/bifrost.conf with `text`, mode 0640, and no network.

    Nothing of the machine changes: /etc is another one in a mount namespace, which takes root to make.
    """
    made = subprocess.run(["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "tmpfs", "/etc"], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no mount namespace can be made here: {made.stderr.strip()}")
    script = ('mount -t tmpfs tmpfs /etc && mkdir /etc/bifrost && printf "%s" "$1" >/etc/bifrost/bifrost.conf && '
              'chmod 0640 /etc/bifrost/bifrost.conf && shift && '
              f'exec setpriv --reuid {user} --regid {user} --clear-groups "$@"')
    return ["unshare", "--mount", "--net", "sh", "-c", script, "sh", text]


@contextlib.contextmanager
def running_agent(segment_dir, redis_url, *arguments):
    """A bifrost-agent that is ready; ended with the block."""
    process = subprocess.Popen([BUILD / "bin" / "bifrost-agent", "--redis-url", redis_url, "--segment-dir", segment_dir,
                                "--size", "1M", *arguments], stderr=subprocess.DEVNULL)
    try:
        ready = Cachectl(segment_dir, redis_url)("wait", "--ready", "--timeout", f"{DEADLINE_S}s")
        assert ready.returncode == 0, ready.stderr.decode()
        yield process
    finally:
        end_process(process)


class Stage:
    """Plays the agent: writes into a real segment what a test tells it to."""

    def __init__(self, directory):
        self.directory = directory
        self._process = subprocess.Popen([BUILD / "bin" / "segment_stage", directory], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)

    def tell(self, **line):
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"

    def publish(self, modules):
        """Commits `modules` ({path: source}) in a healthy mirror whose lease outlasts the test."""
        for path, source in modules.items():
            self.tell(put=path, content=source, hash=f"hash of {path}")
        self.tell(commit=True)
        self.be_live()

    def be_live(self):
        self.tell(heartbeat_ms_ago=0, lease_ms=600_000)
        self.tell(state="live")

    @property
    def segment(self):
        return self.directory / "segment"

    def end(self):
        end_process(self._process)
