"""test_threaded_import: many threads that import, with the modules they race for served from the mirror."""

import os
import pathlib
import shutil
import sys

import test.test_importlib
from test.test_importlib import test_threaded_import

_PROGRAMS = "runs a program of its own, without the hook"
_STDLIB = "imports modules of the standard library only: part of the other half of this directory"
NOT_OURS = {
    "test_concurrent_futures_circular_import": _PROGRAMS,
    "test_multiprocessing_pool_circular_import": _PROGRAMS,
    "test_parallel_module_init": _STDLIB,
    "test_parallel_meta_path": _STDLIB,
    "test_parallel_path_hooks": _STDLIB,
}

ABOVE = os.path.join(os.environ["BIFROST_WORKSPACE"], "importlib_tests")
os.mkdir(ABOVE)
shutil.copy(pathlib.Path(test_threaded_import.__file__).with_name("threaded_import_hangers.py"), ABOVE)
test.test_importlib.__path__.insert(0, ABOVE)
# A relative path leads to the disk.
test_threaded_import.TESTFN = os.path.abspath(test_threaded_import.TESTFN)


class ThreadedImports(test_threaded_import.ThreadedImportTests):
    def test_side_effect_import(self):
        sys.modules.pop("random", None)
        self.enterContext(self.subTest("by name"))
        directory, test_threaded_import.TESTFN = test_threaded_import.TESTFN, "side_effect_module"
        try:
            super().test_side_effect_import()
        finally:
            test_threaded_import.TESTFN = directory
