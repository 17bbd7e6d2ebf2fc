"""What people see, in a real terminal of 80 and of 120 columns, beside what it was when somebody last looked at it.

The files are in tests/tools/screens. After a change that is meant: BIFROST_RENEW_SCREENS=1 pytest tests/tools/test_screens.py,
and look at the difference before it is committed.
"""

import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import pytest
from harness import BUILD, PACKAGE, REPOSITORY, eventually
from screen import Screen, needs_tmux

SCREENS = REPOSITORY / "tests" / "tools" / "screens"
SIZES = [(80, 24), (120, 40)]
TIME = re.compile(r"\b\d+(\.\d+)? (ms|s|min|h|d)\b")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
pytestmark = needs_tmux

WORDS = {
    "redis": {"url": "redis://localhost:6379/0", "trouble": "data: connection refused", "since_unix_ms": 1, "attempts": 3},
    "syncing": False, "compiling": 0,
    "interpreters": [
        {"python": "/usr/bin/python3.14", "tag": "",
         "trouble": "/usr/bin/python3.14 cannot be started: no such file or directory",
         "advice": "correct python in /etc/bifrost/bifrost.conf, or install it; then systemctl restart bifrost-agent"},
        {"python": "/home/somebody/venv/bin/python", "tag": "", "trouble": "/home/somebody/venv/bin/python cannot be started: "
         "permission denied", "advice": "the agent's unit hides /home: name an interpreter elsewhere, or set "
         "ProtectHome=read-only by systemctl edit bifrost-agent"}],
    "not_compiled": {"modules": 2, "more": False,
                     "first": {"path": "modules/tickets.py", "tag": "cpython-311", "line": 7,
                               "message": "SyntaxError: invalid syntax"}},
}
FAILURES = {"more": False, "failures": [WORDS["not_compiled"]["first"]]}
MODULES = {"shared/__init__.py": "", "shared/halopsa.py": "x = 1\n" * 700, "modules/tickets.py": "def f(:\n",
           "integrations/accounting/exchange/reconciliation_of_invoices.py": "y = 2\n"}


@pytest.fixture
def healthy(stage):
    stage.answer({"state": {**WORDS, "interpreters": [], "not_compiled": {"modules": 0, "more": False}},
                  "not_compiled": {"more": False, "failures": []}})
    stage.publish(MODULES)
    return stage


@pytest.fixture
def troubled(stage):
    stage.answer({"state": WORDS, "not_compiled": FAILURES})
    stage.publish(MODULES)
    stage.tell(not_mirrored="reports/monthly.py",
               reason="not JSON: Problem while parsing an atom starting with the letter 'n'", commit=True)
    stage.tell(lease_ms=-1)
    stage.tell(state="cold", connected=False)
    return stage


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def screen(request, bare_node, cachectl):
    screen = Screen(bare_node.directory, *request.param, cachectl.env)
    screen.size = request.param
    yield screen
    screen.close()


def compare(name, screen, lines, stage=None, exact_sizes=False, tidied=lambda text: text):
    """Where numbers change from run to run, only that they are there is compared."""
    assert all(len(line) <= screen.size[0] for line in lines), lines
    text = tidied("\n".join(lines)).rstrip() + "\n"
    if stage:
        text = text.replace(str(stage.directory), "SEGMENT_DIR")
    text = re.sub(r"pid \d+", "pid PID", TIME.sub("TIME", TIMESTAMP.sub("TIMESTAMP", text)))
    if not exact_sizes:
        text = re.sub(r" +[\d.]+ (B|KiB|MiB|GiB)", " SIZE", text)
    text = re.sub(r"version 9\.9\.9|version \d+\.\d+\.\d+", "version VERSION", text)
    file = SCREENS / f"{name}-{screen.size[0]}.txt"
    if os.environ.get("BIFROST_RENEW_SCREENS"):
        SCREENS.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_status_of_a_healthy_node(screen, cachectl, healthy):
    lines = screen.lines_of(cachectl.program, "status")
    assert len(lines) <= 24
    compare("status-healthy", screen, lines, healthy)


def test_status_with_six_problems(screen, cachectl, troubled):
    names = [p["name"] for p in cachectl.json("status", status=5)["problems"]]
    assert names == ["redis_down", "redis_lost_modules", "not_mirrored", "interpreter_unusable", "interpreter_unusable",
                     "not_compiled"]
    compare("status-six-problems", screen, screen.lines_of(cachectl.program, "status"), troubled)


def test_list_wide(screen, cachectl, troubled):
    lines = screen.lines_of(cachectl.program, "list", "-o", "wide")
    lines = [line for line in lines if "may not be current" not in line]  # the message has a test of its own
    compare("list-wide", screen, lines[-6:], troubled, exact_sizes=True)


def test_help(screen, cachectl):
    compare("help", screen, screen.lines_of(cachectl.program, "--help"))


def test_help_of_a_verb(screen, cachectl):
    compare("help-push", screen, screen.lines_of(cachectl.program, "help", "push"))


def test_top_fits_and_shows_its_keys(screen, cachectl, healthy):
    for counter in range(30):
        healthy.tell(count=counter, by=1000 + counter)
    screen.type(f"{cachectl.program} top --interval 100ms", "Enter")
    eventually(lambda: "q ends" in screen.text, "a frame")
    healthy.publish({"another.py": ""})
    eventually(lambda: "generation 2" in screen.text, "the next frame")
    frame = screen.frame
    assert frame[0].startswith("live, ready   generation 2")
    assert frame[-1].startswith("q ends")
    compare("top", screen, [re.sub(r"^ +[\d.]+ ", "RATE ", line) for line in frame], healthy)
    screen.type("-")
    eventually(lambda: "(0.20 s)" in screen.text, "the interval is longer")
    screen.type("q")
    eventually(lambda: screen.text.rstrip().endswith(("$", "#")), "q ends it")


# --- doctor ---------------------------------------------------------------------------------------------------------


def without_the_machine(*directories):
    """Of a real node: its places, numbers, versions and users are not what is looked at."""
    def tidied(text):
        for directory, name in directories:  # which the terminal may have broken anywhere
            text = re.sub(r"\n?".join(map(re.escape, str(directory))), name, text)
        for pattern, name in ((r"owner\s+\d+,\s+group\s+\d+,\s+mode", "owner UID, group GID, mode"), (r"\d+\.\d+\.\d+", "VERSION"), (r"cpython-\d+", "cpython-TAG"),
                              (r"\d\d:\d\d:\d\d", "CLOCK"), (r"generation \d+( ?) *", r"generation N\1")):
            text = re.sub(pattern, name, text)
        return text
    return tidied


@pytest.fixture
def watched(redis_node, segment_dir, screen):
    """A real node with an agent that shares code, and a module that the standard library hides."""
    redis_node.put_many([("shared/halopsa.py", ""), ("json.py", "")])
    redis_node.start_agent("--python", sys.executable)
    redis_node.wait_for_code()
    return redis_node


def test_doctor_of_a_healthy_node(screen, watched):
    ctl = watched.cachectl
    variables = [f"{name}={ctl.env[name]}" for name in ("BIFROST_SEGMENT_DIR", "BIFROST_REDIS_URL", "PYTHONPATH")]
    lines = screen.lines_of("env", *variables, ctl.program, "doctor", "--python", sys.executable)
    assert len(lines) <= 24
    compare("doctor-healthy", screen, lines, tidied=without_the_machine((watched.directory, "NODE")))


def test_doctor_of_a_node_where_nothing_runs(screen, cachectl, segment_dir):
    lines = screen.lines_of(cachectl.program, "doctor", "--python", "/nowhere/python3")
    compare("doctor-nothing-runs", screen, lines, tidied=without_the_machine((segment_dir, "SEGMENT_DIR")))


# --- workers --------------------------------------------------------------------------------------------------------


def test_workers_of_two_generations(screen, watched):
    for content in ("", "x = 1\n", None):
        watched.worker().do("bifrost_cache.begin_execution()")
        if content:
            watched.put("shared/halopsa.py", content)
            watched.wait("--fresh")
    tidied = without_the_machine((watched.directory, "NODE"))
    lines = screen.lines_of("env", f"BIFROST_SEGMENT_DIR={watched.segment_dir}", watched.cachectl.program, "workers")
    compare("workers", screen, lines, tidied=lambda text: re.sub(r"(?m)^ +\d+(?= +\d)", "         N", tidied(text)))


# --- dev ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def home():
    """Programs, package and modules under a path that is as long in every clone: where lines end depends on it."""
    with tempfile.TemporaryDirectory(prefix="bifrost-screen-", dir="/tmp") as name:
        home = pathlib.Path(name)
        (home / "bin").mkdir()
        for program in ("bifrost-agent", "bifrost-cachectl"):
            shutil.copy(BUILD / "bin" / program, home / "bin")
        shutil.copytree(PACKAGE, home / "python")
        (home / "modules" / "shared").mkdir(parents=True)
        (home / "modules" / "shared" / "rates.py").write_text("HOURLY = 80\n")
        (home / "modules" / "report.py").write_text("def main():\n    return 7\n")
        yield home


def test_dev_tells_what_to_do_and_what_each_save_did(screen, home):
    def has_happened(text):
        eventually(lambda: text in re.sub(r"\s+", " ", screen.text), text)

    screen.type(f"clear; cd {home}; PATH=/usr/bin:/bin bin/bifrost-cachectl dev modules", "Enter")
    has_happened("Ctrl-C ends.")
    for file, text, what in (("shared/rates.py", "HOURLY = 95\n", "changed shared/rates.py"),
                             ("late.py", "def main(:\n", "late.py, line 1: SyntaxError: invalid syntax")):
        (home / "modules" / file).write_text(text)
        has_happened(what)
    (home / "modules" / "late.py").unlink()
    has_happened("deleted late.py")
    shown = screen.text
    screen.type("C-c")
    has_happened("stopped; nothing is left running")
    private = re.search(r"/dev/shm/bifrost-dev-\w{6}", shown)[0]
    lines = shown[shown.index("2 modules"):].rstrip().splitlines()
    compare("dev", screen, lines, tidied=without_the_machine((home, "HOME"), (private, "PRIVATE")))


def test_nothing_is_cut_where_no_terminal_is(cachectl, troubled):
    text = cachectl.text("list", "-o", "wide")
    assert "…" not in text
    assert "reconciliation_of_invoices.py" in text
    assert "starting with the letter 'n'" in text
    assert json.loads(cachectl("list", "-o", "json").stdout)[1]["not_compiled"][0]["line"] == 7
