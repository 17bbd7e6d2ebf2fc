"""What the user reads when a module is not there."""

import pytest


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
    assert error["text"].endswith(f", not in Redis{extension_modules})")


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
