"""What an interpreter prints of exceptions that nobody catches: the lines that ran, on every Python."""

import pytest
from harness import WORKSPACE

FAILING = """
def fail():
    raise KeyError('the line that ran')
"""


@pytest.fixture
def failing(node):
    node.put("flows/__init__.py")
    node.put("flows/failing.py", FAILING)
    # CPython 3.11 and 3.12 look for a file of the same name along sys.path, and would show its lines.
    (node.directory / "failing.py").write_text("# line 1\n# line 2\n# A LINE OF ANOTHER FILE\n")
    return node


def stderr_of(node, code, hook="import bifrost_cache as b; b.install_virtual_import_hook(); b.begin_execution()\n"):
    done = node.python(code=hook + code)
    return done.stderr


def assert_shows_the_line(stderr):
    assert f'File "{WORKSPACE}/flows/failing.py", line 3, in fail\n    raise KeyError(\'the line that ran\')' in stderr
    assert "KeyError: 'the line that ran'" in stderr
    assert "ANOTHER FILE" not in stderr and "/bifrost_cache/" not in stderr


def test_in_the_main_thread(failing):
    assert_shows_the_line(stderr_of(failing, "from flows.failing import fail\nfail()"))


def test_in_a_thread(failing):
    stderr = stderr_of(
        failing,
        "from flows.failing import fail\nimport threading\n"
        "t = threading.Thread(target=fail, name='T-7')\nt.start()\nt.join()",
    )
    assert stderr.startswith("Exception in thread T-7:\nTraceback (most recent call last):\n")
    assert_shows_the_line(stderr)


def test_as_the_context_of_another_exception(failing):
    code = "from flows.failing import fail\ntry:\n    fail()\nexcept KeyError:\n    raise ValueError('after')"
    stderr = stderr_of(failing, code)
    assert_shows_the_line(stderr)
    assert stderr.rstrip().endswith("ValueError: after")


def test_in_a_process_forked_or_spawned_by_multiprocessing(failing):
    for method in ("fork", "spawn"):
        (failing.directory / "main.py").write_text(
            "import bifrost_cache as b, multiprocessing\n"
            "b.install_virtual_import_hook()\n"
            "from flows.failing import fail\n"
            "if __name__ == '__main__':\n"
            f"    p = multiprocessing.get_context('{method}').Process(target=fail)\n"
            "    p.start(); p.join()\n"
        )
        done = failing.python(str(failing.directory / "main.py"))
        assert_shows_the_line(done.stderr)


def test_an_excepthook_of_the_user_stays(failing):
    mine = "import sys\nsys.excepthook = lambda *a: print('mine', file=sys.stderr)\n"
    install = "import bifrost_cache as b\nb.install_virtual_import_hook()\nfrom flows.failing import fail\n"
    assert stderr_of(failing, mine + install + "fail()", hook="") == "mine\n"
    assert stderr_of(failing, install + mine + "fail()", hook="") == "mine\n"
    removed = stderr_of(
        failing,
        "import sys, threading\n" + install + "b.remove_virtual_import_hook()\n"
        "own = sys.excepthook is sys.__excepthook__, threading.excepthook is threading.__excepthook__\n"
        "print(*own, file=sys.stderr)",
        hook="",
    )
    assert removed == "True True\n"


def test_exceptions_of_others_are_printed_by_the_interpreter(failing):
    stderr = stderr_of(failing, "1/0")
    assert stderr.startswith("Traceback (most recent call last):\n")
    assert stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_nothing_is_printed_without_a_stderr(failing):
    done = failing.python(
        code="import sys\nimport bifrost_cache as b; b.install_virtual_import_hook()\n"
        "from flows.failing import fail\nsys.stderr = None\nfail()"
    )
    assert (done.returncode, done.stderr) == (1, "")
