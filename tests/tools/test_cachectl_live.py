"""bifrost-cachectl top and dev: what a person sees while the node works."""

import os
import re
import select
import shutil
import signal
import subprocess
import time

import pytest
from harness import PATIENCE_S, Cachectl, end, eventually, start
from harness.namespaces import beside_system_config


# --- top ------------------------------------------------------------------------------------------------------------


def test_top_without_a_terminal_is_one_frame(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(count=0, by=7)
    result = cachectl("top", "--interval", "50ms")
    text = result.stdout.decode()
    assert (result.returncode, "\x1b" in text) == (0, False)
    assert text.startswith("live, ready   generation 1")
    assert re.search(r"0\.0 +7  change messages received from Redis", text)


def test_top_shows_rates(cachectl, stage):
    stage.publish({"a.py": ""})
    top = cachectl.start("top", "--interval", "500ms", "--count", "1")
    end = time.monotonic() + PATIENCE_S
    while top.poll() is None and time.monotonic() < end:
        stage.tell(count=0, by=1)
    out = top.stdout.read().decode()
    top.stdout.close()
    rate = float(re.search(r"([\d.]+) +\d+  change messages", out)[1])
    assert rate > 0


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_top_redraws_in_a_plain_terminal_and_q_ends_it(cachectl, stage, bare_node):
    stage.publish({"a.py": ""})
    socket = bare_node.directory / "tmux"

    def tmux(*arguments):
        return subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", *map(str, arguments)], capture_output=True,
                              text=True, timeout=PATIENCE_S, env={**cachectl.env, "TERM": "xterm"})

    tmux("new-session", "-d", "-x", 100, "-y", 30, "sh")
    try:
        tmux("send-keys", f"{cachectl.program} top --interval 100ms; echo ended $?", "Enter")
        eventually(lambda: "PER SECOND" in tmux("capture-pane", "-p").stdout, "a frame is drawn")
        stage.publish({"b.py": ""})
        eventually(lambda: "generation 2" in tmux("capture-pane", "-p").stdout, "the next frame shows the change")
        screen = tmux("capture-pane", "-p").stdout
        assert screen.count("PER SECOND") == 1, screen  # frames take each other's place
        tmux("send-keys", "q")
        eventually(lambda: "ended 0" in tmux("capture-pane", "-p").stdout, "q ends it")
    finally:
        tmux("kill-server")


# --- dev ------------------------------------------------------------------------------------------------------------


class Dev:
    def __init__(self, directory, *before, **variables):
        self.seen = ""
        self.process = start([*before, Cachectl.program, "dev", directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env={"PATH": os.environ["PATH"], **variables})

    def until(self, pattern):
        """What `pattern` found in the output so far."""
        end = time.monotonic() + 2 * PATIENCE_S
        while not (found := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"no {pattern} in: {self.seen}"
            self.seen += chunk.decode()
        return found

    def run(self, target):
        """A worker by the lines that were printed, pasted into a second terminal."""
        self.until("Ctrl-C ends")
        lines = re.findall(r"^  (\S.*)$", self.seen, re.MULTILINE)
        script = "set -eu\n" + "\n".join(lines).replace("your.module:function", target)
        return subprocess.run(["bash", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60,
                              cwd="/")

    @property
    def home(self):
        return os.path.dirname(self.until(r"BIFROST_SEGMENT_DIR=(\S+)")[1])

    def close(self):
        end(self.process, signal.SIGINT)  # killed, it could not take its directory away


def test_dev_runs_what_was_saved_last_and_leaves_nothing(tmp_path):
    source = tmp_path / "my source"
    source.mkdir()
    module = source / "hello.py"
    module.write_text("def main():\n    return 1\n")
    dev = Dev(source)
    try:
        result = dev.run("hello:main")
        assert (result.returncode, result.stdout.strip()) == (0, "1"), result.stderr
        module.write_text("def main():\n    return 'two'\n")
        dev.until(r"generation \d+ +hello\.py")
        assert "two" in dev.run("hello:main").stdout
        module.unlink()
        dev.until("hello.py deleted")
        assert dev.run("hello:main").returncode != 0
        children = subprocess.run(["pgrep", "-P", str(dev.process.pid)], capture_output=True, text=True).stdout.split()
        assert len(children) == 2
        dev.process.send_signal(signal.SIGINT)
        dev.until("nothing is left running")
        assert dev.process.wait(PATIENCE_S) == 0
        assert not os.path.exists(dev.home)
        assert not any(os.path.exists(f"/proc/{pid}") for pid in children)
    finally:
        dev.close()


def test_dev_takes_nothing_from_the_nodes_settings(tmp_path):
    """The node's agent has the port already; a private one must not ask for it."""
    (tmp_path / "hello.py").write_text("def main():\n    return 1\n")
    nonsense = "no such value"
    for before, variables in (([], {"BIFROST_METRICS": nonsense, "BIFROST_SIGNAL": nonsense}),
                              (beside_system_config(f"metrics = {nonsense}\n"), {})):
        dev = Dev(tmp_path, *before, **variables)
        try:
            dev.until("Ctrl-C ends")
        finally:
            dev.close()


def test_dev_says_what_is_missing(tmp_path):
    program = Cachectl.program
    assert subprocess.run([program, "dev", tmp_path / "nowhere"], capture_output=True, timeout=60).returncode == 2
    result = subprocess.run([program, "dev", tmp_path], capture_output=True, timeout=60, env={"PATH": "/nonexistent"})
    assert result.returncode == 1
    assert b"apt install redis-server" in result.stderr
