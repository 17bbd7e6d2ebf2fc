"""What the user reads when a module is not there."""

import pytest
from harness import WORKSPACE


@pytest.fixture
def error_of(node):
    node.put("pkg/__init__.py", "HERE = 1\n")
    node.put("ns/m.py", "")

    def run(statement, prologue=""):
        return node.execute(
            f"""
            {prologue}
            try:
                {statement}
            except Exception as error:
                out.update(type=type(error).__name__, text=str(error), name=getattr(error, "name", None))
            """
        )

    return run


@pytest.mark.parametrize("name", ["nope", "pkg.nope", "ns.nope", "pkg.no.pe"])
def test_a_missing_module_is_reported_with_where_it_was_looked_for(error_of, name):
    error = error_of(f"import {name}")
    missing = "pkg.no" if name == "pkg.no.pe" else name
    assert error["type"] == "ModuleNotFoundError" and error["name"] == missing
    assert error["text"].startswith(f"No module named '{missing}' (not in the mirror at generation ")
    # A package that has been pushed without its extension modules is a common case.
    extension_modules = "; extension modules are not served" if "." in name else ""
    assert error["text"].endswith(f", nor in Redis then{extension_modules})")


def test_without_a_mirror_only_redis_is_named(redis_node):
    out = redis_node.execute(
        """
        try:
            import nope
        except ModuleNotFoundError as error:
            out["text"] = str(error)
        """
    )
    assert out == {"text": "No module named 'nope' (not in Redis)"}


def test_a_missing_attribute_is_still_an_import_error_of_python(error_of):
    error = error_of("from pkg import nope")
    assert error["type"] == "ImportError"
    assert error["text"].startswith("cannot import name 'nope' from 'pkg'")


def test_names_that_cannot_be_ours_get_pythons_own_words(error_of):
    assert error_of("import json.nope")["text"] == "No module named 'json.nope'"
    assert error_of("import xml.nope")["text"] == "No module named 'xml.nope'"
    assert error_of("import redis.nope")["text"] == "No module named 'redis.nope'"
    assert error_of("import ns.m.x")["text"].endswith("'ns.m' is not a package")


def test_questions_are_answered_with_none(node):
    node.put("pkg/__init__.py", "")
    out = node.execute(
        """
        import importlib.util
        out["specs"] = [importlib.util.find_spec("nope"), importlib.util.find_spec("pkg.nope")]
        """
    )
    assert out == {"specs": [None, None]}


def test_somebody_elses_last_finder_has_the_last_word(error_of):
    assert (
        error_of("import nope", "import sys; sys.meta_path.append(type('F', (), {'find_spec': lambda *a: None})())")[
            "text"
        ]
        == "No module named 'nope'"
    )


# --- Which of the ways to be missing it was ------------------------------------------------------------------------------


@pytest.fixture
def why(node):
    def run(name, begin=""):
        return node.execute(
            f"""
            import importlib
            b.begin_execution({begin})
            try:
                importlib.import_module({name!r})
            except ImportError as error:
                out.update(type=type(error).__name__, text=str(error))
            """
        )

    return run


def test_a_module_that_only_the_shared_scope_has_is_said_to_be_there(node, why):
    node.put("shared/m.py", "")
    node.put("_solutions/s/shared/n.py", "")
    error = why("shared.m", "solution_id='s'")
    assert error["type"] == "ModuleNotFoundError"
    assert "the modules shared by all have it, but this execution may not use them" in error["text"]


def test_a_module_that_only_a_solution_has_is_said_to_be_there_without_naming_it(node, why):
    node.put("_solutions/secret-customer/m.py", "")
    for begin in ("", "solution_id='other'"):
        error = why("m", begin)
        assert "another solution has it" in error["text"] and "secret-customer" not in error["text"]


def test_a_module_that_the_index_has_and_no_node_ever_saw_is_said_to_be_so(node, why):
    """Where Redis is asked anyway; a worker that the mirror serves opens no connection for an import that fails."""
    node.redis.client().sadd("bifrost:module:index", "ghost.py")
    clause = "the index has `ghost.py`, but its key has expired and this node has never seen it"
    assert clause not in why("ghost")["text"]
    node.agent.kill()
    assert clause in why("ghost", "fresh=True")["text"]


@pytest.mark.parametrize("name, reason", [("_solutions.s.m", "lies in another scope"), ("n" * 2000, "longer than 1024 bytes")])
def test_a_path_that_is_refused_is_said_to_be_so(node, why, name, reason):
    node.put("_solutions/s/m.py", "")
    text = why(name)["text"]
    assert "its path is refused: " in text and reason in text


def test_a_module_that_is_nowhere_has_no_other_reason(why):
    assert why("nowhere")["text"].endswith(", nor in Redis then)")


def test_what_nobody_can_list_is_no_empty_directory(redis_node):
    redis_node.put("pkg/__init__.py", "")
    redis_node.put("pkg/m.py", "")
    out = redis_node.execute(
        f"""
        import importlib.resources, os, pkgutil, pkg
        out["before"] = [m.name for m in pkgutil.iter_modules(pkg.__path__)]
        os.kill({redis_node.redis.process.pid}, 9)
        b.begin_execution()
        def error_of(call):
            try:
                return repr(call())
            except Exception as error:
                return f"{{type(error).__name__}}: {{error}}"
        out["modules"] = error_of(lambda: list(pkgutil.iter_modules(pkg.__path__)))
        out["files"] = error_of(lambda: list(importlib.resources.files(pkg).iterdir()))
        """
    )
    assert out["before"] == ["m"]
    for kind, told in (("ImportError", out["modules"]), ("OSError", out["files"])):
        assert told.startswith(f"{kind}: {WORKSPACE}/pkg cannot be listed: there is no mirror: "), told
        assert "redis" in told.lower()
