"""bifrost-cachectl top and dev: what a person sees while the node works."""

import json
import os
import pathlib
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
    def __init__(self, directory, *before, options=(), **variables):
        self.seen = ""
        self.process = start([*before, Cachectl.program, "dev", directory, *options], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], **variables})

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
        script = "set -eu\n" + "\n".join(lines)
        script = re.sub(r"run --verbose \S+", f"run --verbose {target}", script)
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
        dev.until(r"(?m)^\d\d:\d\d:\d\d  generation \d+ +changed +hello\.py$")
        assert "two" in dev.run("hello:main").stdout
        module.unlink()
        dev.until(r"deleted +hello\.py")
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


def test_dev_takes_valkey_where_there_is_no_redis(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "hello.py").write_text("def main():\n    return 1\n")
    (tmp_path / "bin").mkdir()
    for name, program in (("valkey-server", "redis-server"), ("setpriv", "setpriv")):
        (tmp_path / "bin" / name).symlink_to(shutil.which(program))
    dev = Dev(tmp_path / "source", PATH=str(tmp_path / "bin"))
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


@pytest.fixture
def dev_of(tmp_path):
    """Starts dev in a directory of these files: (dev, directory)."""
    started = []

    def start_dev(files, name="source"):
        root = tmp_path / name
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        started.append(Dev(root))
        started[-1].until("Ctrl-C ends")
        return started[-1], root

    yield start_dev
    for dev in started:
        dev.close()


def test_dev_tells_what_each_save_did_and_whether_it_compiles(dev_of):
    dev, root = dev_of({"a.py": "x = 1\n", "old.py": "def f(:\n"})
    assert "does not compile  old.py, line 1: SyntaxError: invalid syntax" in dev.seen
    (root / "b.py").write_text("y = 1\n")
    dev.until(r"added +b\.py")
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "c.py").write_text("x = 1\n\ndef g(:\n")
    dev.until(r"added +deep/er/c\.py\ndoes not compile  deep/er/c\.py, line 3: SyntaxError: invalid syntax\n")
    (root / "deep" / "er" / "c.py").write_text("x = 1\n")
    dev.until(r"changed +deep/er/c\.py\n")
    (root / "b.py").unlink()
    dev.until(r"deleted +b\.py\n")
    assert dev.seen.count("does not compile") == 2


def test_dev_skips_what_cannot_be_a_module_and_deletes_only_what_was_one(dev_of, tmp_path):
    dev, root = dev_of({"a.py": "x = 1\n"})
    grown = tmp_path / "grown"
    grown.write_text("#" * (40 << 20))
    grown.rename(root / "a.py")
    dev.until(r"skipped +a\.py.*longer than 32.0 MiB\n")
    (root / "never.py").write_bytes(b"\xff")
    dev.until(r"skipped +never\.py.*not UTF-8\n")
    (root / "never.py").unlink()
    (root / "a.py").unlink()
    dev.until(r"deleted +a\.py\n")
    (root / "last.py").write_text("x = 1\n")
    dev.until(r"added +last\.py\n")
    assert not re.search(r"deleted +never", dev.seen)


def test_dev_shares_code_and_hints_at_a_target_that_can_be_run(dev_of):
    dev, _ = dev_of({"lib/helpers.py": "def helper(value):\n    return value\n",
                     "jobs/report.py": "def main():\n    return 7\n"})
    line = re.search(r"^  (\S+) -m bifrost_cache run --verbose (\S+)$", dev.seen, re.MULTILINE)
    assert line[2] == "jobs.report:main"
    assert os.path.isabs(line[1])
    done = dev.run("jobs.report:main")
    assert (done.returncode, done.stdout) == (0, "7\n")
    said = r"bifrost_cache: source shm, generation \d+, [\d.]+ ms, \d+ modules \(\d+ from code\)"
    assert re.search(said, done.stderr), done.stderr


def test_dev_of_a_package_keeps_its_name(dev_of):
    dev, _ = dev_of({"__init__.py": "", "m.py": "def main():\n    return __name__\n"}, name="pricing")
    assert "is a package: its modules are pricing/..." in dev.seen
    assert dev.run("pricing.m:main").stdout == '"pricing.m"\n'


def test_dev_of_a_link_to_a_package_keeps_the_links_name_as_push_does(tmp_path):
    release = tmp_path / "releases" / "pricing-1.2"
    release.mkdir(parents=True)
    (release / "__init__.py").touch()
    (release / "m.py").write_text("def main():\n    return [__name__, __file__]\n")
    (tmp_path / "pricing").symlink_to(release)
    dev = Dev(f"{tmp_path}/pricing/")
    try:
        dev.until("is a package: its modules are pricing/...")
        assert json.loads(dev.run("pricing.m:main").stdout) == ["pricing.m", f"{tmp_path}/pricing/m.py"]
        (release / "m.py").write_text("def main():\n    return 2\n")
        dev.until(r"changed +pricing/m\.py")
    finally:
        dev.close()


def test_dev_skips_what_push_skips(dev_of):
    dev, root = dev_of({"a.py": "", "venv/lib/x.py": "", "node_modules/y.py": ""})
    assert "left out: venv/ (installed code)" in dev.seen
    assert "1 module of" in dev.seen


def test_dev_tells_programs_one_object_per_line(tmp_path):
    (tmp_path / "report.py").write_text("def main():\n    return 7\n")
    (tmp_path / "old.py").write_text("def f(:\n")
    dev = Dev(tmp_path, options=["-o", "json"])
    try:
        dev.until('"watching"')
        (tmp_path / "report.py").unlink()
        dev.until('"deleted"[^\n]*\n')
        dev.process.send_signal(signal.SIGINT)
        dev.until('"stopped"[^\n]*\n')
        home = pathlib.Path(json.loads(dev.seen.splitlines()[0])["environment"]["BIFROST_SEGMENT_DIR"]).parent
        assert not home.exists(), "it says so when nothing is left"
    finally:
        dev.close()
    started, *rest = told = [json.loads(line) for line in dev.seen.splitlines()]
    assert {one["schema"] for one in told} == {1}
    assert [one["event"] for one in told] == ["started", "not_compiled", "watching", "deleted", "stopped"]
    assert (started["directory"], started["modules"], started["target"]) == (str(tmp_path), 2, "report:main")
    assert set(started["environment"]) == {"BIFROST_SEGMENT_DIR", "BIFROST_REDIS_URL", "BIFROST_WORKSPACE"}
    assert (rest[0]["path"], rest[0]["line"], rest[0]["message"]) == ("old.py", 1, "SyntaxError: invalid syntax")
    assert rest[2]["path"] == "report.py" and rest[2]["generation"] > 0


def test_run_ends_a_function_that_takes_too_long(dev_of):
    dev, _ = dev_of({"slow.py": "def main():\n    while True:\n        pass\n"})
    done = dev.run("slow:main --timeout 0.2")
    assert done.returncode == 1
    assert "TimeoutError: --timeout: not done after 0.2 s" in done.stderr


# --- events ---------------------------------------------------------------------------------------------------------


def test_events_go_on_with_an_agent_that_is_restarted(redis_node):
    redis_node.start_agent()
    process = redis_node.cachectl.start("events", "--follow", "--wait", f"{PATIENCE_S}s", "-o", "json")
    try:
        def told(event):
            return any(json.loads(line)["event"] == event for line in iter(process.stdout.readline, b""))

        assert told("synced")
        redis_node.agent.stop()
        redis_node.start_agent()
        assert told("published") and told("synced")
    finally:
        process.stdout.close()
        end(process)


# --- nobody reads ---------------------------------------------------------------------------------------------------

GO_ON = {"events": ["--follow"], "top": ["--interval", "50ms", "--count", "1000000"], "dev": []}


@pytest.fixture
def goes_on(cachectl, agent, tmp_path):
    """Starts a verb that writes now and then, for as long as nobody ends it."""
    started = []

    def begin(verb, **options):
        (tmp_path / "source").mkdir()
        arguments = [tmp_path / "source"] if verb == "dev" else GO_ON[verb]
        started.append(cachectl.start(verb, *arguments, stderr=subprocess.PIPE, **options))
        return started[-1]

    yield begin
    for process in started:
        end(process)


@pytest.mark.parametrize("verb", sorted(GO_ON))
def test_a_verb_that_goes_on_ends_when_its_reader_has_gone(goes_on, verb):
    process = goes_on(verb)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 0
    assert process.stderr.read() == b""


@pytest.mark.parametrize("verb", sorted(GO_ON))
def test_a_verb_that_goes_on_ends_when_it_cannot_write(goes_on, verb):
    with open("/dev/full", "wb") as full:
        process = goes_on(verb, stdout=full)
    assert process.wait(PATIENCE_S) == 1
    assert b"cannot write the answer: No space left on device" in process.stderr.read()
