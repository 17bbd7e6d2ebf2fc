"""Hosts whose threads are greenlets (gevent): many of them share one thread, and each of them imports for itself."""

import textwrap

import pytest
from zygote_parent import zygote_on

PATIENCE_S = 30

GREENLETS = f"""
from gevent import monkey
monkey.patch_all()
import gevent, gevent.event
from bifrost_cache.fallback import Module, Package
PATIENCE_S = {PATIENCE_S}

def imported(name):
    try:
        return __import__(name).WHOSE
    except ImportError as error:
        return repr(error)
"""


@pytest.fixture
def of_greenlets(node):
    return lambda code: node.script(GREENLETS + textwrap.dedent(code))


def test_the_store_is_asked_for_every_module(of_greenlets):
    out = of_greenlets(
        """
        class Store:
            timeout = PATIENCE_S
            def resolve(self, name, scope):
                return Module(f"WHOSE = {name!r}")
        b.install_virtual_import_hook(complete=False, fallback=Store())
        out["imported"] = [imported(name) for name in ("first", "second", "third")]
        """
    )
    assert out["imported"] == ["first", "second", "third"]


@pytest.mark.parametrize("kind", ["store", "callable"])
def test_one_greenlet_imports_while_another_waits_for_its_answer(of_greenlets, kind):
    out = of_greenlets(
        f"""
        waits, done = gevent.event.Event(), gevent.event.Event()
        def source_of(name):
            if name == "slow":
                waits.set()
                done.wait(PATIENCE_S)
                return f"WHOSE = {{done.is_set()!r}}"
            return "WHOSE = 'other'" if name == "other" else None
        class Store:
            timeout = PATIENCE_S
            def resolve(self, name, scope):
                return Module(source_of(name)) if source_of(name) else None
        if {kind == "store"}:
            b.install_virtual_import_hook(complete=False, fallback=Store())
        else:
            b.install_virtual_import_hook(fallback=lambda path: source_of(path.removesuffix(".py")))
        slow = gevent.spawn(imported, "slow")
        out["waits"] = waits.wait(PATIENCE_S)
        out["other"] = imported("other")
        done.set()
        out["slow"] = slow.get(timeout=PATIENCE_S)
        """
    )
    assert out == {"waits": True, "other": "other", "slow": True}


def test_two_greenlets_may_ask_the_same(of_greenlets):
    out = of_greenlets(
        """
        import importlib.util
        both = gevent.event.Event()
        asked = []
        class Store:
            timeout = PATIENCE_S
            def resolve(self, name, scope):
                asked.append(name)
                if len(asked) == 2:
                    both.set()
                both.wait(PATIENCE_S)
                return Module("")
        b.install_virtual_import_hook(complete=False, fallback=Store())
        found = [gevent.spawn(importlib.util.find_spec, "same") for _ in range(2)]
        out["found"] = [greenlet.get(timeout=PATIENCE_S).name for greenlet in found]
        out["together"] = both.is_set()
        """
    )
    assert out == {"found": ["same", "same"], "together": True}


def test_greenlets_begin_executions_at_the_same_time(of_greenlets):
    out = of_greenlets(
        """
        class Store:
            timeout = PATIENCE_S
            def resolve(self, name, scope):
                gevent.sleep(0.01)
                return Module("WHOSE = 1")
        b.install_virtual_import_hook(complete=False, fallback=Store())
        import theirs
        started = [gevent.spawn(b.begin_execution) for _ in range(6)]
        out["sources"] = [greenlet.get(timeout=PATIENCE_S).source for greenlet in started]
        out["paths"] = [greenlet.get(timeout=PATIENCE_S).path for greenlet in
                        [gevent.spawn(b.source_of, "theirs.py") for _ in range(6)]]
        """
    )
    assert out == {"sources": ["shm"] * 6, "paths": ["theirs.py"] * 6}


@pytest.mark.parametrize("kind", ["store", "callable"])
def test_the_path_finder_asks_for_several_greenlets_at_once(of_greenlets, kind):
    out = of_greenlets(
        f"""
        def source_of(name):
            gevent.sleep(0.01)
            return {{"pkg": "", "pkg.one": "WHOSE = 1", "pkg.two": "WHOSE = 2", "pkg.three": "WHOSE = 3"}}.get(name)
        class Store:
            timeout = PATIENCE_S
            def resolve(self, name, scope):
                source = source_of(name)
                return None if source is None else Package(source) if name == "pkg" else Module(source)
        def by_path(path):
            return source_of(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        options = dict(complete=False, fallback=Store()) if {kind == "store"} else dict(fallback=by_path)
        b.install_virtual_import_hook(precedence="installed", **options)
        import importlib, pkg
        names = ["pkg.one", "pkg.two", "pkg.three"]
        found = [gevent.spawn(importlib.import_module, name) for name in names]
        out["found"] = [greenlet.get(timeout=PATIENCE_S).WHOSE for greenlet in found]
        """
    )
    assert out == {"found": [1, 2, 3]}


PATCHES = "from gevent import monkey\nmonkey.patch_all()\n"


def test_no_template_keeps_a_module_that_patches_the_interpreter(node):
    node.put("flow.py", PATCHES + "def run():\n    return 1\n")
    with zygote_on(node) as parent:
        for _ in range(3):
            assert parent.ask("z.execute('flow:run')") == 1
            parent.do("settled()")
        told = parent.ask("stats()")
    assert told["spawned"] == 0
    assert told["skipped"] == {"flow": "its import replaces os.fork, _thread.start_new_thread, select.select"}


def test_a_root_that_is_patched_forks_nothing_and_says_so(node, tmp_path):
    (tmp_path / "patching.py").write_text(PATCHES)
    node.put("flow.py", "def run():\n    return 1\n")
    with zygote_on(node, preload=["patching"]) as parent:
        parent.do(f"import sys; sys.path.append({str(tmp_path)!r})")
        assert parent.ask("[z.execute('flow:run') for _ in range(2)]") == [1, 1]
        told = parent.ask("stats()")
    assert told["spawned"] == 2 and "replaces os.fork" in told["trouble"]
