"""The stub says what the extension module has: names, parameters, defaults and docstrings."""

import ast
import inspect
import json

import pytest
from harness import PACKAGE

STUB = PACKAGE / "bifrost_cache" / "_shim.pyi"
# Python's own, or for nobody to call.
UNSTUBBED = {"NamespaceLoader", "NamespacePath", "WorkspacePathEntryFinder", "MissingModuleFinder"}

# Defaults cannot be read from a builtin; calls can be made with every parameter by name.
RUNTIME = """
import inspect
from bifrost_cache import _shim
def doc(thing):
    return inspect.getdoc(thing) or ""
out["names"] = sorted(n for n in vars(_shim) if not n.startswith("__"))
out["docs"] = {}
for name, value in vars(_shim).items():
    if name.startswith("__"):
        continue
    out["docs"][name] = doc(value)
    if isinstance(value, type):
        out["names"] += [f"{name}.{n}" for n in vars(value) if not n.startswith("_")]
        out["docs"].update({f"{name}.{n}": doc(m) for n, m in vars(value).items() if not n.startswith("_")})
"""


@pytest.fixture(scope="module")
def stub():
    """Qualified name -> node of the stub."""
    nodes = {}

    def visit(body, prefix):
        for node in body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                nodes[prefix + node.name] = node
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{node.name}.")

    visit(ast.parse(STUB.read_text()).body, "")
    return nodes


def test_the_stub_has_every_name_and_no_other(bare_node, stub):
    runtime = {n for n in bare_node.script(RUNTIME)["names"] if n.split(".")[0] not in UNSTUBBED}
    assert {name for name in stub if "__" not in name} == runtime


def test_both_say_the_same_and_leave_nothing_out(bare_node, stub):
    docs = bare_node.script(RUNTIME)["docs"]
    said = {name: ast.get_docstring(node) or "" for name, node in stub.items() if "__" not in name}
    assert {name: docs[name] for name in said} == {name: inspect.cleandoc(text) for name, text in said.items()}
    assert [name for name, text in said.items() if not text] == []


def test_parameters_have_the_names_and_defaults_of_the_stub(bare_node, stub):
    calls = {}
    for name in ("install_virtual_import_hook", "begin_execution"):
        arguments = stub[name].args
        assert arguments.kwonlyargs == []
        calls[name] = {a.arg: ast.literal_eval(d) for a, d in zip(arguments.args, arguments.defaults, strict=True)}
    for name, positional in (("wait_fresh", ["timeout"]), ("list_directory", ["path"])):
        assert [a.arg for a in stub[name].args.args] == positional
    out = bare_node.script(
        f"""
        calls = _json.loads({json.dumps(json.dumps(calls))})
        shim = b._shim
        out["by_name"] = [getattr(shim, name)(**keywords) is not None for name, keywords in calls.items()]
        # Each position is the one of its name: the public functions call by position.
        out["by_position"] = [getattr(shim, name)(*keywords.values()) is not None for name, keywords in calls.items()]
        refused = []
        for name in calls:
            try:
                getattr(shim, name)(nonsense=1)
            except TypeError:
                refused.append(name)
        out["refused"] = len(refused)
        finder, spec = b.get_virtual_finder(), None
        out["found"] = finder.find_spec(fullname="m", path=None, target=None) is None
        out["list"] = shim.list_directory(path="/nowhere")
        try:
            shim.wait_fresh(timeout=0)
        except TimeoutError:
            out["timeout"] = True
        """
    )
    assert out == {"by_name": [True, True], "by_position": [True, True], "refused": 2, "found": True, "list": [], "timeout": True}


def test_methods_of_the_loader_take_the_parameters_of_the_stub(redis_node, stub):
    redis_node.put("m.py", "X = 1\n")
    methods = {
        name.split(".")[1]: [a.arg for a in node.args.args if a.arg != "self"]
        for name, node in stub.items()
        if name.startswith("VirtualModuleLoader.") and "__" not in name and not node.decorator_list
    }
    values = {"fullname": '"m"', "path": "loader.path", "spec": "spec", "module": "module"}
    calls = [f"loader.{m}({', '.join(f'{a}={values[a]}' for a in arguments)})" for m, arguments in methods.items()]
    body = "\n        ".join(calls)
    out = redis_node.execute(
        f"""
        import importlib.util
        spec = importlib.util.find_spec("m")
        loader, module = spec.loader, importlib.util.module_from_spec(spec)
        {body}
        out["x"] = module.X
        """
    )
    assert out == {"x": 1} and len(calls) == 8
