"""No execution of a zygote sees another's state, and each sees what a spawned process would see of its parent."""

import pytest
from zygote_parent import warmed

# What an execution can leave behind, and how the next one would see it. State of the same process, so each looks first
# and changes then.
STATE = """
import contextvars, logging, multiprocessing, os, random, sys, time
import helper

SEEN = []
VARIABLE = contextvars.ContextVar("variable", default=0)


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


def look():
    return {
        "module global": len(SEEN), "another module's": getattr(helper, "LEFT", None), "path": "/left" in sys.path,
        "environment": os.environ.get("LEFT"), "directory": os.getcwd() == "/", "umask": umask() == 0o077,
        "context variable": VARIABLE.get(), "log handlers": len(logging.getLogger().handlers),
        "modules": "left" in sys.modules, "meta path": len(sys.meta_path), "hooks": sys.excepthook.__name__,
        "recursion": sys.getrecursionlimit(), "process": multiprocessing.current_process().name,
    }


def leave():
    before = look()
    SEEN.append(1)
    helper.LEFT = 1
    sys.path.append("/left")
    os.environ["LEFT"] = "1"
    os.chdir("/")
    os.umask(0o077)
    VARIABLE.set(1)
    logging.getLogger().addHandler(logging.NullHandler())
    sys.modules["left"] = sys
    sys.meta_path.append(None)
    sys.excepthook = print
    sys.setrecursionlimit(2000)
    return before


def number():
    return random.random()


def sample():
    import numpy
    return float(numpy.random.random())


def environment(name):
    return os.environ.get(name)


def time_zone():
    return time.tzname[0]


def directory():
    return os.getcwd()


def path():
    return sys.path


def flags():
    return [sys.flags.dev_mode, sys.flags.hash_randomization, hash("text"), sys.flags.utf8_mode]


def importable():
    import besides
    return besides.VALUE


def traced():
    lines = []
    def trace(frame, event, argument):
        if event == "line":
            lines.append(frame.f_lineno)
        return trace
    sys.settrace(trace)
    helper.function()
    sys.settrace(None)
    return lines


def source():
    import inspect
    return inspect.getsource(helper.function)


def covered():
    import coverage
    measured = coverage.Coverage(data_file=None, config_file=False, include=[helper.__file__])
    measured.start()
    helper.function()
    measured.stop()
    return {name: sorted(measured.get_data().lines(name)) for name in measured.get_data().measured_files()}


def debugged():
    import io, pdb
    printed = io.StringIO()
    pdb.Pdb(stdin=io.StringIO("next\\np value + 41\\ncontinue\\n"), stdout=printed, nosigint=True).runcall(helper.function)
    return printed.getvalue()
"""
HELPER = "def function():\n    value = 1\n    return value\n"


@pytest.fixture
def flows(node):
    node.put("flow.py", STATE)
    node.put("helper.py", HELPER)
    return node


@pytest.mark.parametrize("warm", ["modules", "code", "none"])
def test_no_state_of_one_execution_reaches_another(zygote, warm):
    parent = zygote(warm=warm)
    first = parent.ask("z.execute('flow:leave')")
    parent.do("settled()")
    for _ in range(3):
        assert parent.ask("z.execute('flow:leave')") == first
    assert first == {**first, "module global": 0, "path": False, "environment": None, "modules": False}
    assert parent.ask("stats()['spawned']") == 0


@pytest.mark.parametrize("warm", ["modules", "code"])
def test_a_child_has_the_state_of_a_spawned_process(zygote, warm):
    parent = zygote(warm=warm)
    parent.do("z.execute('flow:look'); settled(); from bifrost_cache import worker")
    assert parent.ask("z.execute('flow:look')") == parent.ask("worker.execute('flow:look')")


@pytest.mark.parametrize("function", ["number", "sample"])
def test_random_numbers_of_children_differ(zygote, function):
    pytest.importorskip("numpy") if function == "sample" else None
    parent = zygote(preload=["numpy"] if function == "sample" else [])
    parent.do(f"z.execute('flow:{function}'); settled()")
    drawn = parent.ask(f"[z.execute('flow:{function}') for _ in range(4)]")
    assert len(set(drawn)) == 4


def test_scopes_never_share_a_template(flows, zygote):
    for scope in ("s1", "s2"):
        flows.put(f"_solutions/{scope}/mine.py", f"NAME = {scope!r}\n")
        flows.put(f"_solutions/{scope}/entry.py", "import mine, os\ndef name():\n    return [mine.NAME, os.getppid()]\n")
    flows.put("mine.py", "NAME = 'shared'\n")
    flows.put("entry.py", "import mine, os\ndef name():\n    return [mine.NAME, os.getppid()]\n")
    parent = zygote()
    scopes = [{}, {"solution_id": "s1"}, {"solution_id": "s2"}, {"solution_id": "s1", "global_repo_access": True}]
    for _ in range(2):
        answers = [parent.ask(f"z.execute('entry:name', **{scope!r})") for scope in scopes]
        assert [name for name, _ in answers] == ["shared", "s1", "s2", "s1"]
        assert len({template for _, template in answers}) == 4
        parent.do("eventually(lambda: all(not s['renewing'] and s['warm'] for s in z.stats().values()))")


def test_roots_are_a_scope_of_their_own(flows, zygote):
    for release in (1, 2):
        flows.put(f"_releases/{release}/mine.py", f"NAME = {release}\n")
    flows.put("entry.py", "import mine, os\ndef name():\n    return [mine.NAME, os.getppid()]\n")
    parent = zygote()
    for release in (1, 2, 1):
        roots = [f"_releases/{release}/", ""]
        assert parent.ask(f"z.execute('entry:name', roots={roots!r})")[0] == release
        assert parent.ask(f"asyncio.run(z.execute_async('entry:name', roots={roots!r}))")[0] == release
        parent.do(f"settled(lambda s: s['warm'] == ['entry', 'mine'], {tuple(roots)!r})")


@pytest.mark.parametrize("scope", [{"solution_id": "../x"}, {"roots": []}, {"roots": ["", "_x/"], "solution_id": "s"}])
def test_a_scope_that_cannot_be_is_refused_before_anything_starts(zygote, scope):
    parent = zygote()
    for execute in ("z.execute", "bifrost_cache.worker.execute"):
        assert parent.error_of(f"import bifrost_cache.worker\n{execute}('flow:state', **{scope!r})").startswith("ValueError: ")
    assert parent.ask("[z.stats(), processes(os.getpid())]") == [{}, []]


def test_changes_of_the_parent_reach_its_executions(flows, zygote):
    parent = zygote()
    parent.do("os.environ['OLD'] = 'old'; z.execute('flow:look'); settled()")
    parent.do("os.environ['NEW'] = 'new'; del os.environ['OLD']")
    assert parent.ask("[z.execute('flow:environment', {'name': n}) for n in ('NEW', 'OLD')]") == ["new", None]
    parent.do("os.environ['TZ'] = 'XYZ-5'")
    assert parent.ask("z.execute('flow:time_zone')") == "XYZ"
    (flows.directory / "below").mkdir()
    (flows.directory / "below" / "besides.py").write_text("VALUE = 'installed'\n")
    parent.do(f"os.chdir('{flows.directory}/below'); sys.path.append('{flows.directory}/below')")
    assert parent.ask("z.execute('flow:directory')") == f"{flows.directory}/below"
    assert parent.ask("z.execute('flow:importable')") == "installed"
    assert parent.ask("stats()['spawned']") == 0


def test_what_a_root_was_started_again_with_does_not_stay_in_its_executions(flows, zygote):
    (flows.directory / "below").mkdir()
    (flows.directory / "below" / "besides.py").write_text("VALUE = 'installed'\n")
    parent = zygote()
    parent.do("z.execute('flow:look'); templates = settled()['processes']; home = os.getcwd()")
    parent.do(f"os.environ['TOKEN'] = 'secret'; os.chdir('below'); sys.path.append('{flows.directory}/below')")
    parent.do("os.kill(templates['root'], signal.SIGKILL); eventually(lambda: not alive(templates.values()))")
    assert parent.ask("z.execute('flow:importable')") == "installed"
    spawned = parent.ask("settled(lambda s: s['processes'].get('root') not in (None, templates['root']))")["spawned"]
    parent.do("del os.environ['TOKEN']; os.chdir(home); sys.path.pop()")
    assert parent.ask("z.execute('flow:environment', {'name': 'TOKEN'})") is None
    assert parent.ask("z.execute('flow:directory')") == parent.ask("home")
    assert parent.error_of("z.execute('flow:importable')").startswith("ModuleNotFoundError: ")
    assert parent.ask("stats()['spawned']") == spawned


def test_a_directory_that_is_gone_is_an_error_of_the_execution_only(zygote):
    parent = zygote()
    parent.do("home = os.getcwd(); os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')")
    assert parent.error_of("z.execute('flow:directory')").startswith("FileNotFoundError: ")
    parent.do("os.chdir(home)")
    assert parent.ask("z.execute('flow:directory')") == parent.ask("home")
    assert "Traceback" not in parent.errors()


def test_a_changed_path_is_what_it_is_in_a_spawned_process(flows, zygote):
    parent = zygote()
    parent.do("b.remove_virtual_import_hook(); z.execute('flow:path'); sys.path.append('/besides')")
    path = parent.ask("z.execute('flow:path')")
    assert (path[0], path[-1]) == (str(flows.workspace), "/besides")
    assert path == parent.ask("bifrost_cache.worker.execute('flow:path')")
    assert parent.ask("stats()['spawned']") == 0


def test_settings_of_the_parent_reach_its_executions(flows, zygote):
    flows.put("where.py", "def file():\n    return __file__\n")
    parent = zygote()
    before = parent.ask("z.execute('where:file')")
    parent.do("b.install_virtual_import_hook(workspace='/elsewhere')")
    assert [before, parent.ask("z.execute('where:file')")] == [f"{flows.workspace}/where.py", "/elsewhere/where.py"]


def run(node, *options, **environment):
    """flags() of three executions, in a parent with these options of the interpreter."""
    script = node.directory / "parent.py"
    script.write_text(
        "import json\nfrom bifrost_cache.zygote import Zygote\n"
        "if __name__ == '__main__':\n"
        "    with Zygote() as z:\n"
        "        flags = [z.execute('flow:flags') for _ in range(3)]\n"
        "        assert not z.stats()[None, False]['spawned'], z.stats()\n"
        "        print(json.dumps(flags))\n"
    )
    done = node.python(*options, str(script), env=environment)
    assert done.returncode == 0, done.stderr
    import json

    return json.loads(done.stdout), done.stderr


def test_development_mode_and_hash_seed_are_the_parents(flows):
    answers, stderr = run(flows, "-X", "dev", "-X", "utf8", PYTHONHASHSEED="7")
    assert answers == [[True, 1, answers[0][2], 1]] * 3
    assert "ResourceWarning" not in stderr
    other, _ = run(flows, PYTHONHASHSEED="7")
    assert other[0][2] == answers[0][2]


def test_tracers_and_inspect_see_the_lines_of_warm_modules(zygote):
    parent = zygote()
    parent.do("z.execute('flow:look')")
    warmed(parent, "helper")
    assert parent.ask("z.execute('flow:traced')") == [2, 3]
    assert parent.ask("z.execute('flow:source')") == HELPER


def test_coverage_measures_the_lines_of_warm_modules(flows, zygote):
    pytest.importorskip("coverage")
    parent = zygote(preload=["coverage"])
    parent.do("z.execute('flow:look')")
    warmed(parent, "helper")
    assert parent.ask("z.execute('flow:covered')") == {f"{flows.workspace}/helper.py": [2, 3]}
    assert parent.ask("stats()['spawned']") == 0


def test_pdb_steps_through_warm_modules_and_shows_their_lines(zygote):
    parent = zygote()
    parent.do("z.execute('flow:look')")
    warmed(parent, "helper")
    printed = parent.ask("z.execute('flow:debugged')")
    assert "-> value = 1" in printed and "-> return value" in printed
    assert "(Pdb) 42" in printed
    assert parent.ask("stats()['spawned']") == 0


def test_the_main_thread_of_an_execution_has_its_process_number(flows, zygote):
    flows.put("threads.py", "import os, threading\n\ndef same():\n    return threading.current_thread().native_id == os.getpid()\n")
    parent = zygote()
    assert parent.ask("[z.execute('threads:same') for _ in range(2)]") == [True, True]
