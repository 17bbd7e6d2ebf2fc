"""The same code from files and from the mirror prints the same, on standard output and on standard error."""

import pytest
from harness import WORKSPACE

OWN_DIRECTORY_FIRST = """
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
import helper
print(helper.__file__, helper.WHERE)
"""
HELPERS = {"helper.py": "WHERE = 'root'", "flows/helper.py": "WHERE = 'flows'", "flows/lib/helper.py": "WHERE = 'lib'"}
PAGES = "import sys\n\x0c\ndef a():\n    return 'innocent'\n\ndef b():\n    return 1/0\n"
SEPARATOR = "SEPARATOR = 'a\u2028b\x0b'\n\nclass C:\n    size = 1\n\ndef f():\n    return 1/0\n"
CALLS = "def a():\n    b()\n\ndef b():\n    c()\n\ndef c():\n    1/0\n"
CHAINED = """
import sys
sys.excepthook = lambda *exception: (print("reported"), sys.__excepthook__(*exception))
import m
m.a()
"""
PACKAGE = {"p/__init__.py": "", "p/data.py": "", "p/sub/__init__.py": "X = 1\n"}
MISSING = """
from importlib.resources import files
mail = files("p") / "templates" / "mail.html"
print(mail.is_file(), mail.is_dir(), mail.name, (files("p") / "data.py" / "x").is_file())
try:
    files("p").joinpath("templates/mail.html").read_text()
except FileNotFoundError:
    print("default")
print(files("p") == files("p"), files("p") / "sub" == files("p.sub"), files("p") == files("p.sub"),
      len({files("p"), files("p")}))
"""

# As ddtrace does with the loader of every module.
ITS_OWN_CODE = """
import importlib.util
spec = importlib.util.find_spec("m")
of_loader = spec.loader.get_code
spec.loader.get_code = lambda name: print("asked for", name) or %s
try:
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
except ImportError as e:
    print(e)
"""

# Modules, and the program that imports them.
CASES = {
    "a directory before the workspace": (HELPERS | {"flows/main.py": OWN_DIRECTORY_FIRST}, "import flows.main"),
    "two directories before the workspace": (
        HELPERS, "import sys\nsys.path[:0] = [ROOT + '/flows/lib', ROOT + '/flows']\nimport helper\nprint(helper.WHERE)"),
    "a directory behind the workspace": (
        HELPERS, "import sys\nsys.path.append(ROOT + '/flows')\nimport helper\nprint(helper.WHERE)"),
    "a path through the parent": (
        {"app/lib/main.py": "", "common.py": "V = 1", "app/other.py": "V = 2"},
        "import sys\nsys.path.append(ROOT + '/app/lib/..')\nimport other\nprint(other.V)"),
    "paths spelled otherwise": (
        {"one/a.py": "V = 1", "two/b.py": "V = 2", "three/c.py": "V = 3"},
        "import sys\nsys.path += [ROOT + '//one', ROOT + '/./two/', ROOT + '/../' + ROOT.rpartition('/')[2] + '/three']\n"
        "import a, b, c\nprint(a.V, b.V, c.V)"),
    "a path that leaves the workspace": (
        {"one/a.py": "V = 1"}, "import sys\nsys.path.append(ROOT + '/one/../../one')\ntry:\n    import a\n"
                               "except ImportError as e:\n    print(type(e).__name__)"),
    "form feeds in a traceback": ({"m.py": PAGES}, "import m\nm.b()"),
    "form feeds in inspect": ({"m.py": PAGES}, "import inspect, m\nprint(inspect.getsource(m.b))"),
    "other separators in inspect": (
        {"m.py": SEPARATOR}, "import inspect, m\nprint(ascii(inspect.getsource(m.C)), ascii(inspect.getsource(m)))"),
    "other separators in a traceback": ({"m.py": SEPARATOR}, "import m\nm.f()"),
    "an error of the compiler": ({"m.py": "def f():\n    return 1\n\nreturn f\n"}, "import m"),
    "an error of the compiler, deep in a function": (
        {"m.py": "def f():\n    def g():\n        nonlocal x\n"},
        "try:\n    import m\nexcept SyntaxError as e:\n    print(e.msg, e.lineno, e.offset, repr(e.text))"),
    "an error of the compiler in the last line": (
        {"m.py": "\x0c\nX = '\u2028'\nreturn X"},
        "try:\n    import m\nexcept SyntaxError as e:\n    print(e.msg, e.lineno, e.offset, repr(e.text))"),
    "an error of the compiler, of the symbol table": ({"m.py": "def f(a, a):\r\n    pass\r\n"}, "import m"),
    "an error of the parser": ({"m.py": "def f(:\n    pass\n"}, "import m"),
    "the last frames": ({"m.py": CALLS}, "import sys, m\nsys.tracebacklimit = 2\nm.a()"),
    "one frame": ({"m.py": CALLS}, "import sys, m\nsys.tracebacklimit = 1\nm.a()"),
    "no frames": ({"m.py": CALLS}, "import sys, m\nsys.tracebacklimit = 0\nm.a()"),
    "the last frames of a thread": (
        {"m.py": CALLS}, "import sys, threading, m\nsys.tracebacklimit = 2\nt = threading.Thread(target=m.a, name='T')\n"
                         "t.start(); t.join()"),
    "a hook that goes on to the interpreter's": ({"m.py": CALLS}, CHAINED),
    "whether a hook is set": ({"m.py": ""}, "import sys, threading, m\nprint(sys.excepthook is sys.__excepthook__, "
                                            "threading.excepthook is threading.__excepthook__)"),
    "resources that are missing": (PACKAGE, MISSING),
    "a loader that was given another way to its code": ({"m.py": "print('it runs')\n"}, ITS_OWN_CODE % "of_loader(name)"),
    "a loader that was given other code": (
        {"m.py": "print('it runs')\n"}, ITS_OWN_CODE % "compile('print(__file__ is not None)', 'elsewhere', 'exec')"),
    "a loader that was given no code": ({"m.py": ""}, ITS_OWN_CODE % "None"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_prints_the_same(node, tmp_path, case):
    modules, code = CASES[case]
    root = tmp_path / WORKSPACE.rpartition("/")[2]
    for path, content in modules.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
        node.put(path, content)

    def program(name, workspace, hook):
        file = tmp_path / name
        file.write_text(f"ROOT = {str(workspace)!r}\n{hook}{code}\n")
        done = node.python("-P", str(file))
        return [text.replace(str(workspace), "ROOT").replace(str(file), "PROGRAM") for text in (done.stdout, done.stderr)]

    plain = program("plain.py", root, "import sys; sys.path.insert(0, ROOT)\n")
    assert any(plain)
    assert program("mirror.py", WORKSPACE, "import bifrost_cache as b; b.install_virtual_import_hook()\n") == plain
