"""What a root may hold, and what becomes of it when the workspace hides what its preloaded modules went by: an execution
runs what a process would that is started for it."""

import json
import os

import pytest


def test_a_root_that_holds_modules_of_the_workspace_forks_nothing(flows, zygote):
    """What has taken something from them would keep it after an edit."""
    flows.put("early.py", "VALUE = 1\n")
    flows.put("late.py", "import early\n\ndef value():\n    return early.VALUE\n")
    parent = zygote(preload=["early"])
    assert parent.ask("z.execute('late:value', timeout=60)") == 1
    flows.put("early.py", "VALUE = 2\n")
    assert parent.ask("[z.execute('late:value', timeout=60) for _ in range(2)]") == [2, 2]
    told = parent.ask("stats()")
    assert told["spawned"] == 3
    assert "imports early of the workspace" in told["trouble"]


def test_a_root_is_no_worker_with_an_old_snapshot(flows, zygote):
    parent = zygote(preload=["pluggy"], warm="none")
    assert parent.ask("z.execute('flow:value')") == 1
    assert parent.ask("'root' in stats()['processes']")
    assert flows.cachectl.json("workers")["workers"] == 0


BEGINS_OTHERS = """
import os, select
import bifrost_cache

def evicted(path):
    open(path, 'w').close()
    while os.path.exists(path):
        select.select([], [], [], 0.01)
    rounds = []
    for _ in range(3):
        rounds.append(bifrost_cache.begin_execution().evicted)
        import flow
    return rounds
"""


def test_an_execution_that_begins_others_evicts_once_for_what_its_root_went_by(flows, zygote, tmp_path):
    flows.put("again.py", BEGINS_OTHERS)
    parent = zygote(preload=["pluggy"], warm="none")
    path = str(tmp_path / "here")
    parent.do(f"thread = held('again:evicted', {path!r})")
    flows.put("pluggy.py", "")
    os.unlink(path)
    parent.do("thread.join(30)")
    (rounds,) = parent.ask("results")
    assert rounds[1:] == [[], []]


HOST_THAT_HOLDS_SOME = """
import json
import bifrost_cache
from bifrost_cache.zygote import Zygote
bifrost_cache.install_virtual_import_hook()
from base import Base
if __name__ == "__main__":
    with Zygote() as z:
        answers = [z.execute("kinds:of", {{"thing": Base()}}, timeout=60, **{scope!r}) for _ in range(2)]
        print(json.dumps([answers, list(z.stats().values())[0]["trouble"]]))
"""


@pytest.mark.parametrize("scope", [{}, {"solution_id": "s", "global_repo_access": True}], ids=["shared", "solution"])
def test_a_root_whose_main_module_holds_some_forks_nothing_in_any_scope(flows, scope):
    """Also where the root's own execution evicts what the main module has loaded in another scope."""
    flows.put("base.py", "class Base:\n    pass\n")
    flows.put("kinds.py", "import base, sys\n\ndef of(thing):\n    return sys.modules['__mp_main__'].Base is not None\n")
    script = flows.directory / "host.py"
    script.write_text(HOST_THAT_HOLDS_SOME.format(scope=scope))
    done = flows.python(str(script))
    assert done.returncode == 0, done.stderr
    answers, trouble = json.loads(done.stdout.splitlines()[-1])
    assert answers == [True, True]
    assert "imports base of the workspace" in trouble


@pytest.mark.parametrize("warm", ["modules", "code", "none"])
@pytest.mark.parametrize(("scope", "prefix"), [({}, ""), ({"solution_id": "s"}, "_solutions/s/")], ids=["shared", "solution"])
def test_what_hides_a_preloaded_module_is_run_whenever_it_was_written(flows, zygote, scope, prefix, warm):
    """As by a process that is started for it: `pluggy` is installed, until the workspace has one."""
    flows.put(f"{prefix}tints.py", "import pluggy\n\ndef value():\n    return getattr(pluggy, 'OURS', 0)\n")
    parent = zygote(preload=["pluggy"], warm=warm)
    call = f"z.execute('tints:value', timeout=60, **{scope})"
    name = "['s', False]" if scope else "[None, False]"
    assert parent.ask(f"[{call} for _ in range(3)]") == [0, 0, 0]
    assert parent.ask(f"settled(scope=tuple({name}))['spawned']") == 0
    flows.put(f"{prefix}pluggy.py", "OURS = 1\n")
    assert parent.ask(f"[{call} for _ in range(3)]") == [1, 1, 1]
    assert "preloaded" in parent.ask(f"stats(tuple({name}))['trouble']")
    flows.put(f"{prefix}pluggy.py", "OURS = 2\n")
    assert parent.ask(call) == 2
    flows.delete(f"{prefix}pluggy.py")
    assert parent.ask(call) == 0
    assert parent.ask(f"eventually(lambda: 'root' in stats(tuple({name}))['processes'], 60)")
    spawned = parent.ask(f"stats(tuple({name}))['spawned']")
    assert parent.ask(f"[{call}, stats(tuple({name}))['spawned']]") == [0, spawned]


def test_a_package_that_hides_a_preloaded_one_is_run_though_it_was_written_file_by_file(flows, zygote):
    """A directory hides no package that is installed, until it is one."""
    flows.put("tints.py", "import pluggy\n\ndef value():\n    return getattr(pluggy, 'OURS', 0)\n")
    flows.put("pluggy/Helpers.py", "")
    parent = zygote(preload=["pluggy"], warm="none")
    assert parent.ask("[z.execute('tints:value', timeout=60), stats()['spawned']]") == [0, 0]
    flows.put("pluggy/__init__.py", "OURS = 1\n")
    assert parent.ask("z.execute('tints:value', timeout=60)") == 1


@pytest.mark.parametrize("scope", ["solution_id='other'", ""])
def test_a_preloaded_module_that_begins_an_execution_is_named(flows, zygote, scope):
    library = flows.directory / "library"
    library.mkdir()
    (library / "beginner.py").write_text(f"import bifrost_cache\nbifrost_cache.begin_execution({scope})\n")
    parent = zygote(preload=["beginner"])
    parent.do(f"import sys; sys.path.append({str(library)!r})")
    assert parent.ask("z.execute('flow:value', timeout=60)") == 1
    assert "begins an execution of its own" in parent.ask("stats()['trouble']")


@pytest.mark.parametrize(("scope", "prefix"), [({}, ""), ({"solution_id": "s"}, "_solutions/s/")], ids=["shared", "solution"])
def test_what_hides_a_preloaded_module_from_the_start_is_run(flows, zygote, scope, prefix):
    flows.put(f"{prefix}tints.py", "import pluggy\n\ndef value():\n    return pluggy.OURS\n")
    flows.put(f"{prefix}pluggy.py", "OURS = 1\n")
    parent = zygote(preload=["pluggy"])
    assert parent.ask(f"[z.execute('tints:value', timeout=60, **{scope}) for _ in range(2)]") == [1, 1]
