"""pkgutil.extend_path and regular packages beside directories of the same name: every case gives what plain files give."""

import json

import pytest
from harness import WORKSPACE

EXTENDED = "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
# Files of a directory later on sys.path, modules of the workspace, the package that is looked at.
CASES = {
    "a portion of the workspace beside a regular package": (
        {"foo/__init__.py": EXTENDED, "foo/bar.py": "V = 0"}, {"foo/baz.py": "V = 1"}, "foo"),
    "a portion on disk beside a regular package of the workspace": (
        {"foo/bar.py": "V = 0"}, {"foo/__init__.py": EXTENDED, "foo/baz.py": "V = 1"}, "foo"),
    "two regular packages": (
        {"foo/__init__.py": EXTENDED, "foo/bar.py": "V = 0"}, {"foo/__init__.py": EXTENDED, "foo/baz.py": "V = 1"}, "foo"),
    "the same within a package": (
        {"top/__init__.py": EXTENDED, "top/foo/__init__.py": EXTENDED, "top/foo/bar.py": "V = 0"}, {"top/foo/baz.py": "V = 1"},
        "top.foo"),
    "the same within a namespace": (
        {"top/foo/__init__.py": EXTENDED, "top/foo/bar.py": "V = 0"}, {"top/foo/baz.py": "V = 1"}, "top.foo"),
    "a module on disk beside a directory of the workspace": (
        {"top/__init__.py": EXTENDED, "top/foo.py": "V = 0"}, {"top/foo/baz.py": "V = 1"}, "top.foo"),
}

LOOK = """
import importlib, json
def found(name):
    try:
        return getattr(importlib.import_module(name), "V", None)
    except ImportError as error:
        return type(error).__name__
seen = {name: found(name) for name in NAMES}
path = getattr(importlib.import_module(PACKAGE), "__path__", [])
seen["path"] = [entry.replace(DISK, "disk").replace(WORKSPACE, "workspace") for entry in path]
"""


def write(directory, files):
    for path, content in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@pytest.mark.parametrize("case", CASES)
def test_packages_of_several_directories_are_as_on_disk(node, tmp_path, case):
    on_disk, modules, package = CASES[case]
    disk, plain = tmp_path / "disk", tmp_path / "plain"
    write(disk, on_disk), write(plain, modules)
    for path, content in modules.items():
        node.put(path, content)
    names = sorted(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in on_disk | modules)

    def look(workspace):
        return f"NAMES, PACKAGE, DISK, WORKSPACE = {names!r}, {package!r}, {str(disk)!r}, {workspace!r}\n{LOOK}"

    wanted = node.python("-P", code=f"import sys\nsys.path[:0] = [{str(plain)!r}, {str(disk)!r}]\n{look(str(plain))}"
                                    "print(json.dumps(seen))")
    assert wanted.returncode == 0, wanted.stderr
    assert node.execute(f"sys.path.insert(1, {str(disk)!r})\n{look(WORKSPACE)}out.update(seen)") == json.loads(wanted.stdout)
