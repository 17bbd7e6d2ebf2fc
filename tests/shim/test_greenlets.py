"""Hosts whose threads are greenlets (gevent): many of them share one thread, and each of them imports for itself."""

import textwrap

import pytest

PATIENCE_S = 30

GREENLETS = f"""
from gevent import monkey
monkey.patch_all()
import gevent, gevent.event
from bifrost_cache.fallback import Module
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
