"""make_mutant.py changes a copy as a patch says, and names the patch that has to follow when the sources change."""

import pathlib
import subprocess
import sys

import pytest

MAKE_MUTANT = pathlib.Path(__file__).with_name("make_mutant.py")
SOURCE = "int f() {\n  look();\n\n  return 1;\n}\n"
PATCH = """Returns another number.
Noticed by: D-1

--- a/agent/f.cpp
+++ b/agent/f.cpp
@@ -1,5 +1,5 @@
 int f() {
   look();
\x20
-  return 1;
+  return 2;
 }
"""


@pytest.fixture
def make(tmp_path):
    """make(source, patch): the process that made tmp_path/made/agent/f.cpp."""
    def run(source=SOURCE, patch=PATCH):
        (tmp_path / "agent").mkdir(exist_ok=True)
        (tmp_path / "agent" / "f.cpp").write_text(source)
        (tmp_path / "number.patch").write_text(patch)
        return subprocess.run([sys.executable, MAKE_MUTANT, tmp_path, tmp_path / "number.patch", tmp_path / "made"],
                              capture_output=True, text=True)
    return run


def test_the_copy_has_the_defect_and_the_source_has_not(make, tmp_path):
    assert make().returncode == 0
    assert (tmp_path / "made/agent/f.cpp").read_text() == SOURCE.replace("1", "2")
    assert (tmp_path / "agent/f.cpp").read_text() == SOURCE


def test_the_place_may_move(make, tmp_path):
    assert make("// new\n" * 9 + SOURCE).returncode == 0
    assert "return 2;" in (tmp_path / "made/agent/f.cpp").read_text()


@pytest.mark.parametrize("source", [SOURCE.replace(*change) for change in [("look", "gaze"), ("1", "3"), ("1", "2")]])
def test_other_sources_are_an_error_that_names_the_patch_and_leave_no_copy(make, tmp_path, source):
    make()
    done = make(source)
    assert done.returncode == 1
    assert "tests/mutants/number.patch" in done.stderr and "git diff" in done.stderr
    assert not (tmp_path / "made/agent/f.cpp").exists()


@pytest.mark.parametrize("patch", [PATCH.replace("f.cpp", "f.hpp"), PATCH.replace("f.cpp", "g.cpp"), "No change.\n"])
def test_a_patch_of_headers_of_nothing_or_of_no_file_is_refused(make, patch):
    done = make(patch=patch)
    assert done.returncode == 1
    assert "tests/mutants/number.patch" in done.stderr
