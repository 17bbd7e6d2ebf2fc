"""test_import: circular and relative imports, and tracebacks without importlib's frames."""

import os
import pathlib
import shutil
import sys

from test import test_import

NOT_OURS = {
    "test_unencodable_filename": "about the name of a script file",
    "test_import_bug": "breaks importlib's loader for files",
}
DIFFERS = {"test_unwritable_module": "its module reads __cached__, which is absent here"}

# The modules lie in test.test_import.data: a directory of the workspace answers for that name, before the one on disk.
ABOVE = os.path.join(os.environ["BIFROST_WORKSPACE"], "import_tests")
shutil.copytree(
    pathlib.Path(test_import.__file__).with_name("data"), f"{ABOVE}/data", ignore=shutil.ignore_patterns("__pycache__")
)
test_import.__path__.insert(0, ABOVE)


class Circular(test_import.CircularImportTests):
    pass


class Relative(test_import.RelativeImportTests):
    pass


class Tracebacks(test_import.ImportTracebackTests):
    def setUp(self):
        super().setUp()
        sys.path[0] = os.path.abspath(sys.path[0])  # a relative path leads to the disk
