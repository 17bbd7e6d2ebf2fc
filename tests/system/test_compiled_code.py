"""Compiled code, end to end: real helpers compile, real workers run what they made, and nobody runs anything else."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from harness import AGENT, eventually
from harness.segment_image import SegmentImage, flip

PYTHON = "/usr/bin/python3"
TAG = subprocess.run([PYTHON, "-c", "import sys; print(sys.implementation.cache_tag)"], capture_output=True, text=True,
                     check=True).stdout.strip()
pytestmark = pytest.mark.skipif(sys.implementation.cache_tag != TAG,
                                reason=f"the tests' interpreter is not {PYTHON}, for which the package is built")

ORIGIN_OF = "import importlib, bifrost_cache\n{imports}\nanswer = {{n: m.source for n, m in bifrost_cache.loaded().items()}}"


def origins(node, *names, **environment):
    imports = "\n".join(f"importlib.import_module('{name}')" for name in names)
    return node.run(ORIGIN_OF.format(imports=imports), **environment)


def listed(node, path):
    out = node.cachectl("show", path, "-o", "json").stdout
    return json.loads(out) if out else {}


def wait_for_code(node, path, tag=TAG):
    eventually(lambda: tag in listed(node, path).get("code", []), f"{path} has code for {tag}; {node.agent.log[-2000:]}")


def counter(node, name):
    return json.loads(node.cachectl("stats", "-o", "json").stdout)["counters"][name]


@pytest.fixture
def compiling(node):
    """A node whose agent compiles for the tests' interpreter, with one module `shared/halopsa.py`."""
    node.put("shared/halopsa.py", "VERSION = 1\n\n\ndef fail():\n    raise KeyError(VERSION)\n")
    node.start_agent("--python", PYTHON)
    wait_for_code(node, "shared/halopsa.py")
    return node


def test_workers_run_the_code_that_the_node_compiled(compiling):
    assert origins(compiling, "shared.halopsa")["shared.halopsa"] == "code"
    assert compiling.status()["code"] == {TAG: 1}


def open_files(pid):
    """What each descriptor of `pid` is; it opens and closes others meanwhile."""
    found = {}
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[fd.name] = os.readlink(fd)
    return found


def test_helpers_inherit_no_connection(compiling):
    children = pathlib.Path(f"/proc/{compiling.agent.process.pid}/task/{compiling.agent.process.pid}/children")
    helpers = eventually(lambda: children.read_text().split(), "helpers run")
    for helper in helpers:
        is_open = open_files(helper)
        sockets = {fd: what for fd, what in is_open.items() if what.startswith("socket:") and int(fd) > 2}
        assert not sockets, f"a helper could talk to Redis as the agent: {is_open}"


def test_an_edit_is_visible_at_once_and_its_code_follows(compiling):
    compiling.put("shared/halopsa.py", "VERSION = 2\n")
    assert compiling.run("from shared import halopsa\nanswer = halopsa.VERSION") == 2
    wait_for_code(compiling, "shared/halopsa.py")
    assert origins(compiling, "shared.halopsa")["shared.halopsa"] == "code"
    assert compiling.run("from shared import halopsa\nanswer = halopsa.VERSION") == 2


def test_tracebacks_and_inspect_show_the_source_behind_the_code(compiling):
    traceback = compiling.run(
        "import inspect, traceback\nfrom shared import halopsa\n"
        "try:\n    halopsa.fail()\nexcept KeyError:\n    answer = [traceback.format_exc(), inspect.getsource(halopsa.fail),"
        " halopsa.fail.__code__.co_filename]")
    assert "raise KeyError(VERSION)" in traceback[0]
    assert traceback[1] == "def fail():\n    raise KeyError(VERSION)\n"
    assert traceback[2] == "/tmp/bifrost/workspace/shared/halopsa.py"


def test_another_optimisation_level_compiles_its_own_source(compiling):
    assert origins(compiling, "shared.halopsa", PYTHONOPTIMIZE="1")["shared.halopsa"] == "source"


def test_levels_can_be_configured(node):
    node.put("a.py", "def f():\n    'doc'\n    assert False\n")
    node.start_agent("--python", PYTHON, "--optimize", "0,1")
    for tag in (TAG, f"{TAG}.opt-1"):
        wait_for_code(node, "a.py", tag)
    assert origins(node, "a", PYTHONOPTIMIZE="1")["a"] == "code"
    assert node.run("import a\nanswer = a.f()", PYTHONOPTIMIZE="1") is None


def test_two_names_of_one_interpreter_make_its_code_once(node, tmp_path):
    other = tmp_path / "python"
    other.symlink_to(PYTHON)
    node.put("a.py", "x = 1\n")
    node.start_agent("--python", PYTHON, "--python", str(other))
    wait_for_code(node, "a.py")
    eventually(lambda: "interpreter_superfluous" in node.agent.log, "the second name is noticed")
    assert listed(node, "a.py")["code"] == [TAG]


# Another version, as far as an agent can tell: it calls its code by another tag.
OTHER_PYTHON = f"""#!{PYTHON}
import sys
sys.implementation.cache_tag = "cpython-999"
sys.argv = sys.argv[sys.argv.index("-c") + 1:]
exec(sys.argv[0])
"""


@pytest.fixture
def replace_by_other(node, tmp_path):
    """Lets the name of an interpreter mean another from now on."""
    other = tmp_path / "other"
    other.write_text(OTHER_PYTHON)
    other.chmod(0o755)

    def replace(link):
        (tmp_path / "next").symlink_to(other)
        (tmp_path / "next").rename(link)
        helper = the_helper(node, "the interpreter from before runs")
        os.kill(helper, signal.SIGKILL)  # or it ends by itself after a while with nothing to do
    return replace


def test_an_interpreter_that_is_replaced_compiles_what_is_there(node, tmp_path, replace_by_other):
    link = tmp_path / "python"
    link.symlink_to(PYTHON)
    for name in ("a.py", "b.py"):
        node.put(name, "x = 1\n")
    node.start_agent("--python", str(link))
    for name in ("a.py", "b.py"):
        wait_for_code(node, name)
    replace_by_other(link)
    for name in ("a.py", "b.py"):
        wait_for_code(node, name, "cpython-999")
    assert listed(node, "a.py")["code"] == [TAG, "cpython-999"]
    assert f"event=interpreter_replaced python={link} tag=cpython-999 before={TAG}" in node.agent.log


@pytest.fixture
def two_names(node, tmp_path):
    """Of one interpreter: the one that works, and the one that is not needed."""
    links = [tmp_path / "one", tmp_path / "two"]
    for link in links:
        link.symlink_to(PYTHON)
    node.start_agent(*(argument for link in links for argument in ("--python", str(link))))
    eventually(lambda: "interpreter_superfluous" in node.agent.log, "one of the two is enough")
    return sorted(links, key=lambda link: f"interpreter_superfluous python={link} " in node.agent.log)


@pytest.mark.parametrize("which", [0, 1])
def test_either_name_of_an_interpreter_may_be_replaced(node, two_names, replace_by_other, which):
    replace_by_other(two_names[which])
    node.put("a.py", "x = 1\n")
    for tag in (TAG, "cpython-999"):
        wait_for_code(node, "a.py", tag)


def test_another_name_of_an_interpreter_goes_on_where_one_is_gone(node, two_names):
    helper = the_helper(node, "it runs")
    two_names[0].unlink()
    os.kill(helper, signal.SIGKILL)
    node.put("a.py", "x = 1\n")
    wait_for_code(node, "a.py")


def test_a_module_that_does_not_compile_raises_its_own_syntax_error(compiling):
    compiling.put("broken.py", "def (:\n")
    eventually(lambda: counter(compiling, "code_failed_total") == 1, "the failure is counted")
    error = compiling.run("try:\n    import broken\nexcept SyntaxError as e:\n    answer = [e.filename, e.lineno, e.text]")
    assert error == ["/tmp/bifrost/workspace/broken.py", 1, "def (:\n"]
    assert listed(compiling, "broken.py")["code"] == []


# Inputs that are made to hurt a compiler: nested beyond its stack, beyond its memory, and text with a NUL.
POISON = {
    "deep": "x = " + "(" * 5000 + ")" * 5000 + "\n",
    "deep_unary": "x = " + "-" * 300_000 + "1\n",
    "long_chain": "x = " + "+".join(["1"] * 200_000) + "\n",
    "giant_tuple": "x = (" + "1," * 400_000 + ")\n",
    "nul": "x = 1\0\n",
}


def test_good_modules_get_their_code_among_poisonous_ones(compiling):
    for name, source in POISON.items():
        compiling.put(f"poison_{name}.py", source)
    compiling.put("good.py", "x = 1\n")
    wait_for_code(compiling, "good.py")
    assert origins(compiling, "good", "shared.halopsa")["good"] == "code"
    compiling.wait("--fresh")


def helper_of(node):
    children = subprocess.run(["ps", "--ppid", str(node.agent.process.pid), "-o", "pid="], capture_output=True, text=True)
    return [int(pid) for pid in children.stdout.split()]


def the_helper(node, what):
    """Once there is one: of a second name of its interpreter, another one may be about to end."""
    (helper,) = eventually(lambda: len(found := helper_of(node)) == 1 and found, what)
    return helper


def test_a_helper_that_is_killed_comes_back_and_goes_on(compiling):
    for round_ in range(3):
        pid = the_helper(compiling, "a helper runs")
        os.kill(pid, signal.SIGKILL)
        compiling.put(f"after{round_}.py", f"x = {round_}\n")
        wait_for_code(compiling, f"after{round_}.py")
    assert counter(compiling, "code_helper_restarts_total") >= 3


def test_code_that_is_out_of_all_proportion_is_not_shared(compiling):
    compiling.put("bomb.py", "".join(f'x = "{i:06}" * 682\n' for i in range(20_000)))
    compiling.put("next.py", "x = 1\n")
    wait_for_code(compiling, "next.py")
    eventually(lambda: "OverflowError: its code has" in compiling.agent.log, "it is said which module that is")
    assert origins(compiling, "bomb", "next") == {"bomb": "source", "next": "code"}


@pytest.mark.parametrize("group", ["", "setsid "], ids=["in its group", "in a group of its own"])
def test_a_wrapper_that_is_killed_takes_what_it_has_started_along(node, tmp_path, group):
    """`cat` holds the output open, and would wait for the end of its input for ever."""
    wrapper = tmp_path / "python"
    wrapper.write_text(f"""#!/bin/sh
if [ ! -e {tmp_path}/tried ]; then
    : > {tmp_path}/tried
    printf '\\377\\377\\377\\377 this is no frame'
    {group}cat
fi
{PYTHON} "$@"
""")
    wrapper.chmod(0o755)
    node.put("a.py", "x = 1\n")
    node.start_agent("--python", str(wrapper))
    wait_for_code(node, "a.py")
    assert "sent a frame of 4294967295 bytes" in node.agent.log


def test_a_wrapper_that_dies_before_its_interpreter_is_started_again(node, tmp_path):
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\n{PYTHON} "$@"\n')
    wrapper.chmod(0o755)
    node.put("a.py", "x = 1\n")
    node.start_agent("--python", str(wrapper))
    wait_for_code(node, "a.py")
    (pid,) = helper_of(node)
    os.kill(pid, signal.SIGKILL)
    node.put("b.py", "x = 1\n")
    wait_for_code(node, "b.py")


def test_without_a_usable_interpreter_the_agent_serves_source_and_says_why(node):
    node.put("a.py", "x = 1\n")
    node.start_agent("--python", "/nonexistent/python3")
    assert origins(node, "a")["a"] == "source"
    assert "/nonexistent/python3" in node.agent.log and "no such file" in node.agent.log


def test_a_relative_interpreter_is_refused_with_one_sentence(node):
    agent = subprocess.run([AGENT, "--python", "python3", "--segment-dir", node.segment_dir],
                           capture_output=True, text=True, env=node.environment(), timeout=30)
    assert agent.returncode == 2
    assert "python" in agent.stderr and "absolute path" in agent.stderr


def test_the_next_agent_takes_the_code_over_even_when_redis_is_away(compiling):
    compiling.redis.stop()
    compiling.agent.kill()
    compiling.start_agent("--python", PYTHON, ready=False)
    eventually(lambda: (compiling.status() or {}).get("agent", {}).get("pid") == compiling.agent.process.pid, "a new agent")
    assert counter(compiling, "code_compiled_total") == 0
    assert listed(compiling, "shared/halopsa.py")["code"] == [TAG]
    answer = compiling.run(ORIGIN_OF.format(imports="import shared.halopsa"))
    assert answer["shared.halopsa"] == "code"


def test_damaged_code_is_never_run_and_the_source_is(compiling):
    # A constant of the code object: flipping it would show in what the module says.
    compiling.put("marked.py", "TEXT = 'unmistakable marker of this test'\n")
    wait_for_code(compiling, "marked.py")
    chunk, record = SegmentImage(compiling.segment_dir).find(b"TEXT = 'unmistakable marker of this test'\n")
    flip(chunk, chunk.read_bytes().index(b"unmistakable marker of this test", record + 60))
    answer = compiling.run("import marked\nanswer = [marked.TEXT, bifrost_cache.loaded()['marked'].source,"
                           " bifrost_cache.stats()['damaged']]")
    assert answer == ["unmistakable marker of this test", "source", 1]
    assert compiling.cachectl("verify").returncode == 6


def test_workers_cannot_write_where_code_comes_from(compiling):
    answer = compiling.run(
        "import mmap, os\n"
        f"fd = os.open({str(compiling.segment_dir / 'segment')!r}, os.O_RDONLY)\n"
        "try:\n    mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)\n    answer = 'mapped'\n"
        "except PermissionError:\n    answer = 'refused'")
    assert answer == "refused"
    maps = compiling.run("import shared.halopsa\nanswer = [l.split()[1] for l in open('/proc/self/maps') if 'segment' in l]")
    assert maps and all("w" not in mode for mode in maps)
    assert oct((compiling.segment_dir / "segment").stat().st_mode & 0o777) == "0o640"


def test_code_bears_the_file_names_of_the_workers_own_workspace(compiling):
    names = compiling.run("from shared import halopsa\nanswer = [halopsa.fail.__code__.co_filename, halopsa.__file__,"
                          " bifrost_cache.loaded()['shared.halopsa'].source]", BIFROST_WORKSPACE="/elsewhere/workspace")
    assert names == ["/elsewhere/workspace/shared/halopsa.py"] * 2 + ["code"]


def test_an_exception_in_shared_code_has_the_traceback_that_a_file_would_give(compiling):
    compiling.put("raises.py", "def f():\n    return 1 / 0\n\n\nf()\n")
    wait_for_code(compiling, "raises.py")
    names = compiling.run("import sys\ntry:\n    import raises\nexcept ZeroDivisionError as e:\n    t = e.__traceback__\n"
                          "    answer = []\n    while t:\n        answer.append(t.tb_frame.f_code.co_name)\n        t = t.tb_next")
    assert names == ["<module>", "<module>", "f"]


def test_code_is_made_of_the_source_as_workers_would_compile_it(compiling):
    compiling.put("bom.py", "\ufeffx = 'é'\n")
    compiling.put("cookie.py", "# -*- coding: latin-1 -*-\nx = 'é'\n")
    for path in ("bom.py", "cookie.py"):
        wait_for_code(compiling, path)
    assert compiling.run("import bom, cookie\nanswer = [bom.x, cookie.x]") == ["é", "é"]
