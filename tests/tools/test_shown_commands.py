"""The commands that documents show, executed: a reader who copies them gets what the document says.

Every fenced block names its language. `sh` blocks of a document run in order, as one shell session, on a node of their own:
a private Redis, a segment directory, the programs on PATH, the package in site-packages. `python` blocks run in workers beside a
real agent. Commands in running text are executed one by one where they are ours, and asked for their list of tests where they run tests.

A line of an `sh` block that says `# needs X` is not executed; X is one of NEEDS. A line that says `Ctrl-C ends` is started,
stays while the rest runs, and is ended by Ctrl-C with status 0.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sysconfig
import tempfile

import pytest
from harness import AGENT, BUILD, PATIENCE_S, REPOSITORY, end, start

DOCUMENTS = {str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
             for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("bench/*/README.md"),
                          REPOSITORY / "tests/README.md"]
             if path.name != "CHANGELOG.md"}
LANGUAGES = {"sh", "python", "redis", "text", "text segment", "text chunk.1"}  # the last two: test_shm_layout_doc.py
# Why a line is not executed here. Whoever reads the document needs the same.
NEEDS = {"root", "systemd", "a cluster", "network", "docker", "buildah", "wheels"}
# Too long for a test of documents: first words of a command, and what runs it.
RUN_ELSEWHERE = {"tools/demo": "tests/tools/test_scripts.py", "bench/import/run": "tests/bench/test_import_bench.py",
                 "bench/import/against.py": "tests/bench/test_import_bench.py",
                 "bench/start/run": "tests/bench/test_start_bench.py"}
# What of it the test executes.
INNER_PROGRAM = {"tools/demo": "demo.py", "bench/import/run": "bench/import/main.py",
                 "bench/import/against.py": "bench/import/against.py",
                 "bench/start/run": "bench/start/main.py"}
COMMAND_DEADLINE_S = 120


def blocks(text):
    """(language, first line's number, body) of every fenced block."""
    lines = text.splitlines()
    fences = [i for i, line in enumerate(lines) if line.startswith("```")]
    assert len(fences) % 2 == 0, "a fenced block has no end"
    for first, last in zip(fences[::2], fences[1::2], strict=True):
        yield lines[first][3:].strip(), first + 2, "\n".join(lines[first + 1:last]) + "\n"


def blocks_in(language):
    found = {name: [(line, body) for tongue, line, body in blocks(text) if tongue == language]
             for name, text in DOCUMENTS.items()}
    return {name: parts for name, parts in found.items() if parts}


def test_every_block_names_its_language():
    for name, text in DOCUMENTS.items():
        for language, line, _ in blocks(text):
            assert language in LANGUAGES, f"{name}:{line - 1}: a block of {language or 'no language'}"


# --- a node -----------------------------------------------------------------------------------------------------------


class Machine:
    """What a reader's machine has: programs, package, Redis, a directory of modules. No agent, until a command starts one."""

    def __init__(self, home, redis_url):
        self.home = home
        self.redis_url = redis_url
        self.segment_dir = home / "run"
        shutil.copytree(REPOSITORY / "tools/demo.d/workspace", home / "my_modules")
        (home / "my_modules/shared/halopsa.py").write_text("NAME = 'HaloPSA'\n")
        (home / "my_modules/workflows/report.py").write_text("def main(n=1):\n    return {'n': n}\n")
        for entry in ("tools", "bench", "tests", "deploy", "docs"):
            (home / entry).symlink_to(REPOSITORY / entry)
        (home / "build").mkdir()
        (home / "build/release").symlink_to(BUILD)
        # As an installed package: its .pth file is read, which a directory on PYTHONPATH does not get.
        site = pathlib.Path(sysconfig.get_path("purelib", f"{os.name}_user", {"userbase": str(home / "user")}))
        site.mkdir(parents=True)
        shutil.copytree(BUILD / "python/bifrost_cache", site / "bifrost_cache", symlinks=False)
        for name in ("bifrost_cache_autoload.pth", "bifrost_cache_autoload.py"):
            shutil.copy(BUILD / "python" / name, site)
        self.env = {"PATH": f"{BUILD / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8",
                    "PYTHONUSERBASE": str(home / "user"), "PYTHONDONTWRITEBYTECODE": "1", "BIFROST_SEGMENT_DIR": str(self.segment_dir),
                    "BIFROST_REDIS_URL": redis_url}

    def run(self, *command, **options):
        return subprocess.run([str(word) for word in command], cwd=self.home, capture_output=True, text=True,
                              **{"env": self.env, "timeout": COMMAND_DEADLINE_S, "stdin": subprocess.DEVNULL, **options})

    def start_agent(self):
        agent = start([AGENT], env=self.env, stderr=subprocess.DEVNULL)
        for command in (["wait", "--ready", "--timeout", f"{PATIENCE_S:.0f}s"], ["push", "my_modules"], ["wait", "--fresh"]):
            done = self.run("bifrost-cachectl", *command)
            assert done.returncode == 0, done.stderr
        return agent


@pytest.fixture
def node(redis_url):
    with tempfile.TemporaryDirectory(prefix="bs-") as home:  # short: it gets sockets. Not in /dev/shm: programs run from it
        yield Machine(pathlib.Path(home), redis_url)


@pytest.fixture
def running_node(node):
    agent = node.start_agent()
    yield node
    end(agent)


# --- sh ---------------------------------------------------------------------------------------------------------------


def reason_not_to_run(line):
    needs = re.search(r"#.*\bneeds ([a-z, ]+)", line)
    if needs:
        wanted = re.split(r", | and ", needs[1].strip())
        assert set(wanted) <= NEEDS, f"unknown reason in: {line}"
        return needs[1]
    return RUN_ELSEWHERE.get(line.split()[0])


def session(body):
    """`body` as bash: stops at the first line that fails, starts what Ctrl-C ends in the background."""
    lines = []
    for line in body.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#") or reason_not_to_run(line):
            continue
        command = re.sub(r"\s+#.*", "", line)
        if "Ctrl-C ends" in line:
            # Started means: it has said something.
            lines.append(f"count=$((count + 1)); {command} >foreground.$count 2>&1 & started+=($!)")
            lines.append("for _ in {1..2000}; do [ -s foreground.$count ] && break; sleep 0.01; done; [ -s foreground.$count ]")
        else:
            lines.append(command)
    ending = 'for pid in ${started[@]+"${started[@]}"}; do kill -INT $pid; wait $pid; done'
    # -m: background processes of a script ignore SIGINT otherwise.
    return "\n".join(["set -euo pipefail -m", "trap 'echo \"failed: $BASH_COMMAND\" >&2; kill $(jobs -p) 2>/dev/null' ERR",
                      "count=0 started=()", *lines, ending])


@pytest.mark.parametrize("name", sorted(blocks_in("sh")))
def test_shell_commands_of(name, node):
    body = "".join(body for _, body in blocks_in("sh")[name]).replace("redis://redis:6379/0", node.redis_url)
    done = node.run("bash", "-c", session(body))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_what_is_run_elsewhere_is():
    shown = {line.split()[0] for parts in blocks_in("sh").values() for _, body in parts for line in body.splitlines() if line.strip()}
    for command, where in RUN_ELSEWHERE.items():
        assert command in shown, f"no document shows {command}"
        assert INNER_PROGRAM[command] in (REPOSITORY / where).read_text(encoding="utf-8"), f"{where} does not run {command}"


# --- redis ------------------------------------------------------------------------------------------------------------


def test_commands_for_redis_are_accepted(redis_client):
    lines = [line for parts in blocks_in("redis").values() for _, body in parts for line in body.splitlines() if line]
    assert len(lines) >= 3
    for line in lines:
        assert redis_client.execute_command(*line.split(" ")) in (b"OK", True), line


# --- python -----------------------------------------------------------------------------------------------------------


def test_python_of_the_readme(running_node):
    ((_, body),) = blocks_in("python")["README.md"]
    done = running_node.run("/usr/bin/python3", "-c", body + "\nprint(halopsa.NAME, halopsa.__loader__.__class__.__name__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["HaloPSA", "VirtualModuleLoader"]


INTEGRATION = """
import importlib, logging, multiprocessing

log = logging.getLogger()

def run_workflow_process(answers, workflow_module, solution_id=None, allowed=True):
{execution}
    answers.put((execution.source, module.main(n=3), type(module.__loader__).__name__))

def worker_main():
{worker}
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=run_workflow_process, args=(answers, "workflows.report"))
    process.start()
    process.join()
    print(answers.get())

if __name__ == "__main__":
    worker_main()
"""


def test_python_of_the_integration_guide(running_node):
    """Its first two blocks, of spawned processes, in the two functions that the guide names. tests/integration has the rest."""
    worker, execution = (re.sub("^(?=.)", "    ", body, flags=re.MULTILINE) for _, body in blocks_in("python")["docs/integration.md"][:2])
    platform = running_node.home / "platform_worker.py"
    platform.write_text(INTEGRATION.format(worker=worker, execution=execution))
    done = running_node.run("/usr/bin/python3", platform)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "('shm', {'n': 3}, 'VirtualModuleLoader')"


FORKING = """
import importlib, logging
logging.basicConfig(level="INFO", format="%(message)s")
requests = iter(["report", "nothing", "invoice"])

def next_request():
    return next(requests, None)

def run(request):
    print(request, importlib.import_module("workflows." + request).main())
"""
AFTER_FORKING = """
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no zombies")
"""


def test_python_of_the_guide_to_warm_starts(running_node):
    """Its template of one's own: each execution prints what it has to, and none goes on in the template's code."""
    (body,) = [body for _, body in blocks_in("python")["docs/warm-start.md"] if "os.fork()" in body]
    (running_node.home / "my_modules/workflows/invoice.py").write_text("def main():\n    return 'paid'\n")
    for command in (["push", "my_modules"], ["wait", "--fresh"]):
        assert running_node.run("bifrost-cachectl", *command).returncode == 0
    done = running_node.run("/usr/bin/python3", "-c", FORKING + body + AFTER_FORKING)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["report {'n': 1}", "invoice paid", "no zombies"], done.stderr
    assert done.stderr.startswith("warm: 2 modules; skipped: {}\nnothing failed\nTraceback"), done.stderr
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: No module named 'workflows.nothing'")


# --- commands in running text -----------------------------------------------------------------------------------------

PLACEHOLDERS = {"PATH": "shared/pricing.py", "PREFIX": "shared/", "[PREFIX]": "shared/", "DIR": "my_modules", "[DIR]": "written", "SHELL": "bash",
                "[VERB]": "status", "EXE": "/usr/bin/python3", "FILE": "out.json", "USER": "nobody", "pkg.mod:function": "workflows.report:main",
                "your.module:function": "workflows.report:main"}
# doctor judges the machine that the test runs on, and may have something to say about it; grep may find nothing; sync
# --prune is for a person at a terminal, who is asked.
STATUS = {"bifrost-cachectl sync": {0, 2}, "bifrost-cachectl doctor": {0, 5}, "bifrost-cachectl list": {0, 1}, "bifrost-cachectl status": {0, 5}}
# Not commands, but what the verb is called in a table.
NAMES = {"bifrost-agent", "bifrost-cachectl", "bifrost-cachectl push"}


def commands_in_text(pattern):
    for name, text in sorted(DOCUMENTS.items()):
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        for command in re.findall(rf"`((?:[A-Z_]+=\S+ )*(?:{pattern})(?: [^`]*)?)`", prose):
            yield name, command.replace("\\|", "|")


def test_our_commands_in_running_text(running_node):
    done = set()
    for name, shown in commands_in_text(r"bifrost-cachectl|bifrost-agent|python3? -m bifrost_cache"):
        words = [PLACEHOLDERS.get(word, word) for word in re.sub(r"^python3? ", "/usr/bin/python3 ", shown).split(" ")]
        command = " ".join(words)
        if command in NAMES or command in done:
            continue
        done.add(command)
        endless = words[0] == "bifrost-agent" and not {"--print-config", "--help", "--version"} & set(words)
        if endless or words[1] == "dev":
            continue  # their flags: test_documents.py; the programs: the blocks above
        result = running_node.run("bash", "-c", command)
        assert result.returncode in STATUS.get(" ".join(words[:2]), {0}), f"{name}: {shown}\n{result.stderr}"
    assert len(done) >= 10


def test_commands_in_running_text_that_run_tests_find_some():
    """ctest -L, --gtest_filter, pytest: each is asked for the list of what it would run."""
    checked = 0
    for name, shown in commands_in_text(r"ctest|(?:\S*/)?[a-z_]+_test|pytest|\S+ -m pytest"):
        words = [word for word in shown.split() if not re.match(r"[A-Z_]+=", word)]
        if words[0] == "ctest":
            if words == ["ctest"]:
                continue
            selection = " ".join(words[1:]).replace("--preset release", "")
            listed = subprocess.run(f"ctest --test-dir {BUILD} -N {selection}", shell=True, capture_output=True, text=True, timeout=60)
            assert re.search(r"Total Tests: [1-9]", listed.stdout), f"{name}: {shown}"
        elif words[0].endswith("_test"):
            program = BUILD / "bin" / pathlib.Path(words[0]).name
            listed = subprocess.run(f"{program} {' '.join(words[1:])} --gtest_list_tests", shell=True, capture_output=True, text=True, timeout=60)
            assert listed.returncode == 0 and re.search(r"^  \w", listed.stdout, re.MULTILINE), f"{name}: {shown}"
        else:
            arguments = shown.split("pytest ", 1)[1]
            listed = subprocess.run(f"/usr/bin/python3 -B -m pytest -p no:cacheprovider --collect-only -q {arguments}", shell=True, cwd=REPOSITORY,
                                    env={**os.environ, "BIFROST_BUILD_DIR": str(BUILD)}, capture_output=True, text=True, timeout=120)
            assert listed.returncode == 0 and "::" in listed.stdout, f"{name}: {shown}\n{listed.stdout}{listed.stderr}"
        checked += 1
    assert checked >= 8
