"""Zygotes where Redis does not hold everything: a template is never ahead of, nor behind, the platform's own store."""

import contextlib
import shutil

import pytest
from zygote_parent import zygote_on

# A store whose files lie in a directory, so that every process sees its present state. Settings travel pickled.
STORE = '''
import pathlib
from bifrost_cache.fallback import Module, Namespace, Package


class Store:
    timeout = 20

    def __init__(self, directory):
        self.directory = directory

    def resolve(self, name, scope):
        if pathlib.Path(self.directory).with_name("fails").exists():
            raise OSError("the store is away")
        base = pathlib.Path(self.directory) / scope.root / name.replace(".", "/")
        with open(self.directory + ".asked", "a") as asked:
            asked.write(scope.root + name + "\\n")
        for kind, path in ((Package, base / "__init__.py"), (Module, base.with_name(base.name + ".py"))):
            if path.exists():
                return kind(path.read_text())
        return Namespace() if base.is_dir() else None
'''


@pytest.fixture
def store(node):
    """A directory of the platform's files; node.put() is what of it is in Redis."""
    library = node.directory / "library"
    library.mkdir()
    (library / "platform_store.py").write_text(STORE)
    files = node.directory / "store"
    files.mkdir()

    def put(path, source):
        (files / path).parent.mkdir(parents=True, exist_ok=True)
        (files / path).write_text(source)

    put.directory, put.library = files, library
    return put


@pytest.fixture
def zygote(node, store):
    with contextlib.ExitStack() as stack:

        def start(**options):
            parent = stack.enter_context(zygote_on(node, **options))
            parent.do(
                f"""
                import sys
                sys.path.append({str(store.library)!r})
                import platform_store, bifrost_cache
                bifrost_cache.install_virtual_import_hook(complete=False,
                                                          fallback=platform_store.Store({str(store.directory)!r}))
                """
            )
            return parent

        yield start


FLOW = "import helper, os\n\ndef run():\n    return [helper.VALUE, os.getppid()]\n"


# A library that goes by whether there is a module, and who tells.
OPTIONAL = "try:\n    import fastmod\nexcept ImportError:\n    fastmod = None\n"
SEES_FASTMOD = "import optional\n\ndef run():\n    return optional.fastmod is not None\n"


def test_no_execution_asks_the_store_for_what_preloaded_modules_have_looked_for(node, store, zygote):
    node.put("flow.py", "def run():\n    return 1\n")
    (store.library / "optional.py").write_text(OPTIONAL)
    parent = zygote(preload=["optional"], warm="none")
    asked = store.directory.with_name(store.directory.name + ".asked")
    assert parent.ask("z.execute('flow:run')") == 1
    before = asked.read_text()
    assert "fastmod\n" in before
    assert parent.ask("[z.execute('flow:run'), stats()['spawned']]") == [1, 0]
    assert "fastmod" not in asked.read_text()[len(before):]
    node.put("fastmod.py", "")  # which Redis says
    assert parent.ask("[z.execute('flow:run'), stats()['changed']]") == [1, 1]


@pytest.mark.parametrize("place", ["_solutions/s/fastmod.py", "fastmod.py", "fastmod/__init__.py"])
def test_what_redis_has_by_now_in_any_root_is_seen_by_preloaded_modules(node, store, zygote, place):
    node.put("flow.py", SEES_FASTMOD)
    (store.library / "optional.py").write_text(OPTIONAL)
    parent = zygote(preload=["optional"], warm="none")
    run = "z.execute('flow:run', solution_id='s', global_repo_access=True)"
    assert [parent.ask(run), parent.ask(run), parent.ask("stats(('s', True))['spawned']")] == [False, False, 0]
    node.put(place, "")
    assert parent.ask(run) is True


def test_without_a_mirror_an_outage_of_redis_is_no_difference_to_preloaded_modules(node, store, zygote):
    store("flow.py", SEES_FASTMOD)
    (store.library / "optional.py").write_text(OPTIONAL)
    node.agent.stop()
    shutil.rmtree(node.segment_dir)
    parent = zygote(preload=["optional"], warm="none")
    run = "z.execute('flow:run', solution_id='s', global_repo_access=True)"
    assert parent.ask(run) is False
    node.redis.stop()
    assert [parent.ask(run), parent.ask(run), parent.ask("stats(('s', True))['spawned']")] == [False, False, 0]


def test_what_the_store_could_not_say_when_a_root_started_is_no_answer(node, store, zygote):
    node.put("flow.py", SEES_FASTMOD)
    (store.library / "optional.py").write_text(OPTIONAL)
    store("fastmod.py", "")
    (store.directory.parent / "fails").touch()
    parent = zygote(preload=["optional"], warm="none")
    assert parent.ask("z.execute('flow:run', timeout=60)") is False
    (store.directory.parent / "fails").unlink()
    assert parent.ask("z.execute('flow:run', timeout=60)") is True


@pytest.mark.parametrize("warm", ["modules", "code"])
def test_what_only_the_store_has_is_as_new_as_the_execution(node, store, zygote, warm):
    node.put("flow.py", FLOW)
    store("flow.py", FLOW)
    store("helper.py", "VALUE = 0\n")
    parent = zygote(warm=warm)
    for value in range(4):
        store("helper.py", f"VALUE = {value}\n")  # touches no key in Redis
        for _ in range(2):
            assert parent.ask("z.execute('flow:run')")[0] == value
            parent.do("settled()")
    told = parent.ask("stats()")
    assert told["spawned"] == 0
    if warm == "modules":
        assert told["warm"] == ["flow", "helper"] and told["changed"] == 3, "only where the store said something else"
    else:
        assert (told["warm"], told["skipped"]) == (["flow"], {"helper": "it is not in the mirror"})


def test_the_scopes_own_file_wins_though_only_the_store_has_it(node, store, zygote):
    node.put("flow.py", FLOW)
    node.put("helper.py", "VALUE = 'shared'\n")
    store("_solutions/s/helper.py", "VALUE = 'own'\n")
    parent = zygote()
    run = "z.execute('flow:run', solution_id='s', global_repo_access=True)[0]"
    assert parent.ask(run) == "own"
    parent.do("settled(scope=('s', True))")
    assert parent.ask(run) == "own"
    (store.directory / "_solutions/s/helper.py").unlink()
    assert parent.ask(run) == "shared"
