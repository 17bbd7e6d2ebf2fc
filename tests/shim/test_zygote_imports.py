"""What templates import in advance: nothing that does more than define, nothing that they are told to leave cold, and all
that was mended meanwhile."""

import pytest
from zygote_parent import warmed


@pytest.fixture
def flows(node):
    node.put("flow.py", "import helper\ndef value():\n    return helper.VALUE\n")
    node.put("helper.py", "VALUE = 1\n")
    return node


BAD = {
    "starts a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
    "leaves a descriptor open: ": "import socket\nS = socket.socket()\n",
    "changes the handler of SIGUSR1": "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)\n",
    "maps memory that executions would share": "import mmap\nPAGE = mmap.mmap(-1, 4096)\n",
    "starts a timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 600)\n",
    "makes something that is removed at the end of the process": "import tempfile\nT = tempfile.TemporaryDirectory()\n",
    "makes something that is removed at the end of the process: its own": (
        "import os, weakref\nclass File:\n    pass\nFILE = File()\nweakref.finalize(FILE, os.unlink, '/nowhere')\n"),
    "registers a handler of atexit": "import atexit, logging\natexit.register(print, end='')\n",
    "starts a process": "import os, time\nif os.fork() == 0:\n    time.sleep(20)\n    os._exit(0)\n",
    "fails: ValueError: not here": "import os\nif 'WARM_TEST_OK' not in os.environ:\n    raise ValueError('not here')\n",
    "ended the template": "import os\nif 'WARM_TEST_OK' not in os.environ:\n    os._exit(3)\n",
    "did not end in time": "import os, time\nif 'WARM_TEST_OK' not in os.environ:\n    time.sleep(600)\n",
}


@pytest.mark.parametrize("why", list(BAD))
def test_a_module_that_does_more_than_define_is_left_out_with_what_imports_it(flows, zygote, why):
    flows.put("bad.py", BAD[why])
    flows.put("user.py", "import helper, bad\nimport flow\ndef value():\n    return helper.VALUE\n")
    parent = zygote(start_timeout=3)
    # What templates do not see, executions do.
    parent.do("z.execute('flow:value'); os.environ['WARM_TEST_OK'] = '1'")
    assert parent.ask("z.execute('user:value', timeout=60)") == 1
    told = parent.ask("settled(lambda s: 'bad' in s['skipped'] and 'flow' in s['warm'])")
    assert told["skipped"]["bad"].startswith(f"its import {why.removesuffix(': its own')}")
    assert told["skipped"]["user"] in ("it imports bad, which is left out", told["skipped"]["bad"])
    assert sorted(told["warm"]) == ["flow", "helper"]
    assert parent.ask("[z.execute('user:value', timeout=60), stats()['spawned']]") == [1, 0]
    assert parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


# Of a package: what goes on without one of its modules.
OPTIONAL_PART = "try:\n    from . import fast\nexcept ImportError:\n    fast = None\n"


@pytest.mark.parametrize(("wants", "why"), [
    ("import not_installed_here", "No module named 'not_installed_here'"),
    ("from json import not_installed_here", "cannot import name 'not_installed_here' from 'json'")])
def test_what_fails_for_want_of_something_that_nobody_has_leaves_nobody_out(flows, zygote, wants, why):
    """As an optional accelerator does: its importers know it by now, as they would in any process."""
    flows.put("pk/__init__.py", OPTIONAL_PART)
    flows.put("pk/fast.py", wants + "\n")
    flows.put("user.py", "import pk, helper\ndef value():\n    return [pk.fast is None, helper.VALUE]\n")
    parent = zygote()
    assert parent.ask("z.execute('user:value')") == [True, 1]
    told = parent.ask("settled(lambda s: 'user' in s['warm'])")
    assert sorted(told["warm"]) == ["helper", "pk", "user"]
    assert list(told["skipped"]) == ["pk.fast"] and why in told["skipped"]["pk.fast"]
    flows.put("pk/fast.py", "")
    assert parent.ask("z.execute('user:value')") == [False, 1]


def test_a_part_that_fails_since_an_edit_keeps_nobody_cold_for_long(flows, zygote):
    """Executions have imported it before: so it is left out at first, with what imports it."""
    flows.put("pk/__init__.py", OPTIONAL_PART)
    flows.put("pk/fast.py", "")
    flows.put("user.py", "import pk\ndef value():\n    return pk.fast is None\n")
    parent = zygote()
    assert parent.ask("z.execute('user:value')") is False
    parent.do("settled(lambda s: {'user', 'pk.fast'} <= set(s['warm']))")
    flows.put("pk/fast.py", "import not_installed_here\n")
    assert parent.ask("z.execute('user:value')") is True
    parent.do("settled(lambda s: {'pk', 'user'} <= set(s['skipped']))")
    assert parent.ask("[z.execute('user:value'), z.execute('user:value')]") == [True, True]
    told = parent.ask("settled(lambda s: 'user' in s['warm'])")
    assert sorted(told["warm"]) == ["pk", "user"] and list(told["skipped"]) == ["pk.fast"]
    assert parent.ask("z.execute('user:value')") is True


def test_a_missing_module_that_somebody_stores_is_there(flows, zygote):
    flows.put("user.py", "try:\n    import part\nexcept ImportError:\n    part = None\ndef value():\n    return part is None\n")
    flows.put("part.py", "import not_stored_yet\n")
    parent = zygote()
    assert parent.ask("z.execute('user:value')") is True
    parent.do("settled(lambda s: 'user' in s['warm'])")
    flows.put("not_stored_yet.py", "")
    assert parent.ask("z.execute('user:value')") is False


def test_what_fails_in_templates_only_is_left_out_with_what_imports_it(flows, zygote, tmp_path):
    """Its function has added the directory in which the missing module is."""
    (tmp_path / "vendored.py").write_text("")
    flows.put("pk/__init__.py", OPTIONAL_PART)
    flows.put("pk/fast.py", "import vendored\n")
    flows.put("user.py", f"import sys\ndef value():\n    sys.path.append({str(tmp_path)!r})\n    import pk\n    return pk.fast is None\n")
    parent = zygote()
    assert parent.ask("[z.execute('user:value'), z.execute('flow:value')]") == [False, 1]
    parent.do("settled(lambda s: {'flow', 'user'} <= set(s['warm']))")
    assert parent.ask("z.execute('user:value')") is False
    assert {"pk", "pk.fast"} <= set(parent.ask("stats()['skipped']"))


HALVES = {
    "a package that fails": {"pk/__init__.py": "from . import a\nimport not_installed_here\n", "pk/a.py": ""},
    "a name that another module of the workspace may give": {"pk.py": "from helper import LATER\n"},
    "modules that import each other": {"pk.py": "from second import S\nP = 1\n", "second.py": "from pk import P\nS = 1\n"},
    "its own words": {"pk.py": "raise ModuleNotFoundError('no licence', name='pk')\n"},
}


@pytest.mark.parametrize("case", HALVES)
def test_what_may_not_fail_elsewhere_or_leaves_halves_is_left_out_with_what_imports_it(flows, zygote, case):
    flows.put_many(HALVES[case].items())
    flows.put("user.py", "try:\n    import pk\nexcept ImportError:\n    pass\ndef value():\n    return 1\n")
    parent = zygote()
    assert parent.ask("[z.execute('user:value'), z.execute('flow:value')]") == [1, 1]
    told = parent.ask("settled(lambda s: 'flow' in s['warm'])")
    assert sorted(told["warm"]) == ["flow", "helper"] and {"pk", "user"} <= set(told["skipped"])


def test_a_package_that_is_left_out_is_so_with_all_below_it_however_deep_their_imports_go(flows, zygote):
    flows.put("pk/__init__.py", "try:\n    from . import bad\nexcept ValueError:\n    pass\nfrom . import m0\n")
    flows.put("pk/bad.py", "raise ValueError('not here')\n")
    for n in range(12):
        flows.put(f"pk/m{n}.py", f"from . import m{n + 1}\n")
    flows.put("pk/m12.py", "import beside\n")
    flows.put("beside.py", "")
    flows.put("user.py", "import pk\ndef value():\n    return 1\n")
    parent = zygote()
    assert parent.ask("[z.execute('user:value'), z.execute('flow:value')]") == [1, 1]
    told = parent.ask("settled(lambda s: 'flow' in s['warm'])")
    assert sorted(told["warm"]) == ["beside", "flow", "helper"]
    assert sorted(told["skipped"]) == sorted(["pk", "pk.bad", "user", *[f"pk.m{n}" for n in range(13)]])


def test_cold_modules_and_what_imports_them_are_left_out(flows, zygote):
    flows.put("vendor/client.py", "")
    flows.put("user.py", "import vendor.client, helper\ndef value():\n    return helper.VALUE\n")
    parent = zygote(cold=["vendor.*"])
    assert parent.ask("[z.execute('user:value'), z.execute('flow:value')]") == [1, 1]
    told = parent.ask("settled(lambda s: 'flow' in s['warm'])")
    assert sorted(told["warm"]) == ["flow", "helper"]
    assert told["skipped"] == {"user": "it imports vendor.client, which is left out"}
    assert parent.ask("z.execute('user:value')") == 1


def test_a_module_that_was_mended_is_imported_in_advance_again(flows, zygote):
    flows.put("helper.py", "import socket\nS = socket.socket()\nVALUE = 1\n")
    parent = zygote()
    parent.do("z.execute('flow:value'); settled(lambda s: 'helper' in s['skipped'])")
    flows.put("helper.py", "VALUE = 2\n")
    assert parent.ask("z.execute('flow:value')") == 2
    warmed(parent, "flow", "helper")
    assert parent.ask("stats()['skipped']") == {}


def test_a_module_that_exits_is_left_out_and_no_other(flows, zygote):
    flows.put("leaves.py", "import os, sys\nif 'WARM_TEST_OK' not in os.environ:\n    sys.exit(3)\n")
    flows.put("user.py", "import helper\ndef value():\n    import leaves\n    return helper.VALUE\n")
    parent = zygote()
    parent.do("z.execute('flow:value'); os.environ['WARM_TEST_OK'] = '1'")
    assert parent.ask("z.execute('user:value')") == 1
    told = parent.ask("settled(lambda s: 'leaves' in s['skipped'] and 'user' in s['warm'])")
    assert sorted(told["warm"]) == ["flow", "helper", "user"]
    assert told["skipped"]["leaves"].startswith("its import fails: SystemExit")


def test_a_temporary_directory_that_a_template_tried_does_not_stay(flows, zygote):
    made = f"tempfile.TemporaryDirectory(dir={str(flows.directory)!r}, prefix='made-')"
    flows.put("user.py", f"import tempfile, os\nT = {made}\ndef value():\n    return os.path.isdir(T.name)\n")
    parent = zygote()
    assert parent.ask("z.execute('user:value')") is True
    parent.do("settled(lambda s: 'user' in s['skipped'])")
    assert [parent.ask("z.execute('user:value')") for _ in range(2)] == [True, True]
    parent.do("z.close()")
    assert list(flows.directory.glob("made-*")) == []


def test_a_module_that_puts_its_own_register_into_atexit_keeps_it(flows, zygote):
    flows.put("own.py", "import atexit\ndef register(*a, **k):\n    return None\natexit.register = register\n")
    flows.put("user.py", "import atexit, own\ndef value():\n    return atexit.register is own.register\n")
    parent = zygote()
    assert parent.ask("z.execute('user:value')") is True
    parent.do("settled()")
    assert parent.ask("z.execute('user:value')") is True


def test_handlers_that_libraries_register_for_themselves_do_no_harm(flows, zygote):
    flows.put("user.py", """
import helper, logging, multiprocessing.util, weakref
class Signal:
    pass
SIGNAL = Signal()
weakref.finalize(SIGNAL, SIGNAL.__class__)  # as Django does for each receiver
def value():
    return helper.VALUE
""")
    parent = zygote()
    assert parent.ask("z.execute('user:value')") == 1
    warmed(parent, "user", "helper")
    assert parent.ask("stats()['skipped']") == {}


# What a module may have gone by without an import: (its text, what is there before, the path that is written then and
# what).
LOOKED_AT = {
    "a spec": ("from importlib.util import find_spec\nR = find_spec('opt') is None\n", {"opt.py": ""}, "opt.py", None),
    "the kind of a module": (
        "from importlib.util import find_spec\nR = find_spec('kind').origin\n", {"kind.py": ""}, "kind/__init__.py", ""),
    "a source": ("import bifrost_cache\nR = bifrost_cache.source_of('rules.py').source\n", {"rules.py": "A"},
                 "rules.py", "B"),
    "a source that is not there": (
        "import bifrost_cache\nR = bifrost_cache.source_of('late.py') is None\n", {}, "late.py", ""),
    "a path that cannot be loaded": (
        "import bifrost_cache\ntry:\n    R = bifrost_cache.load_path('late.py').V\nexcept ImportError:\n    R = None\n",
        {}, "late.py", "V = 1\n"),
    "what runpy ran": ("import runpy\nR = runpy.run_module('conf')['V']\n", {"conf.py": "V = 1\n"}, "conf.py", "V = 2\n"),
    "a loader's text": ("from importlib.util import find_spec\nR = find_spec('text').loader.get_source('text')\n",
                        {"text.py": "A\n"}, "text.py", "B\n"),
}


@pytest.mark.parametrize("what", list(LOOKED_AT))
def test_what_a_warm_module_looked_at_without_an_import_changes_with_it(flows, zygote, what):
    body, before, path, after = LOOKED_AT[what]
    flows.put_many(before.items())
    flows.put("looks.py", body + "def answer():\n    return R\n")
    parent = zygote()
    first = parent.ask("z.execute('looks:answer')")
    warmed(parent, "looks")
    assert parent.ask("z.execute('looks:answer')") == first
    flows.delete(path) if after is None else flows.put(path, after)
    second = parent.ask("z.execute('looks:answer')")
    assert second != first
    warmed(parent, "looks")
    assert parent.ask("z.execute('looks:answer')") == second
