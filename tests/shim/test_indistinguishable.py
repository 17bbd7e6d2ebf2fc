"""After begin_execution() a child of a template is what a fresh process would be, whatever was edited meanwhile."""

import json
import os
import pathlib

import pytest
from generated_workspace import Workspace

HERE = str(pathlib.Path(__file__).parent)
SEEDS = [int(os.environ["BIFROST_SEED"])] if "BIFROST_SEED" in os.environ else [1, 2, 3]
EDITS = int(os.environ.get("BIFROST_EDITS", "12"))

FRESH = f"""
sys.path.append({HERE!r})
import describer
answer = describer.describe()
"""

TEMPLATE = f"""
sys.path.append({HERE!r})
import json, os
import describer
from bifrost_cache.zygote import Zygote, warm

def in_a_child():
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            evicted = b.begin_execution().evicted
            with os.fdopen(writer, "w") as pipe:
                json.dump([len(evicted), describer.describe()], pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)
"""


def write(node, workspace):
    changed, deleted = workspace.edit()
    node.put_many(changed.items())
    for path in deleted:
        node.delete(path)


def told_apart(fresh, child):
    """The first differences, for whoever has to explain a failure."""
    if list(fresh) != list(child):
        return f"modules: {sorted(set(fresh) ^ set(child))}"
    for name, attributes in fresh.items():
        for key in {**attributes, **child[name]}:
            if attributes.get(key, "<none>") != child[name].get(key, "<none>"):
                return f"{name}.{key}: {attributes.get(key, '<none>')} in a fresh process, {child[name].get(key, '<none>')}"
    return None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_child_of_a_warm_template_is_what_a_fresh_process_is(node, seed):
    workspace = Workspace(seed)
    node.put_many(workspace.files().items())
    talk = node.worker()
    talk.do(TEMPLATE)
    skipped = talk.ask("warm(['entry']).skipped")
    assert skipped == {}
    evictions = 0
    for number in range(EDITS):
        write(node, workspace)
        fresh = node.execute(FRESH)
        evicted, child = talk.ask("in_a_child()")
        assert told_apart(fresh, child) is None, f"after edit {number}, {evicted} evicted"
        evictions += evicted > 0
        if number % 3 == 2:
            talk.do("warm()")
            evicted, child = talk.ask("in_a_child()")
            assert evicted == 0 and told_apart(fresh, child) is None, f"warm again after edit {number}"
    assert evictions >= EDITS / 4


@pytest.mark.parametrize("warm", ["modules", "code"])
def test_an_execution_of_a_zygote_is_what_a_fresh_process_is(node, warm):
    workspace = Workspace(7)
    node.put_many(workspace.files().items())
    talk = node.worker()
    talk.do(TEMPLATE + f"z = Zygote(warm={warm!r})\nimport select, time")
    try:
        for number in range(EDITS):
            fresh = node.execute(FRESH)
            child = talk.ask("z.execute('describer:describe')")
            assert told_apart(fresh, json.loads(json.dumps(child))) is None, f"after edit {number}"
            if number % 3 == 2:
                talk.do("""
                deadline = time.monotonic() + 30
                while z.stats()[None, False]["renewing"] and time.monotonic() < deadline:
                    select.select([], [], [], 0.01)
                """)
                child = talk.ask("z.execute('describer:describe')")
                assert told_apart(fresh, json.loads(json.dumps(child))) is None, f"renewed after edit {number}"
            write(node, workspace)
        stats = talk.ask("z.stats()[None, False]")
        assert stats["renewals"] > 1 and stats["spawned"] == 0 and stats["skipped"] == {}, stats
    finally:
        talk.do("z.close()")
