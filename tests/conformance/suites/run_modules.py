"""test_runpy: run_module and run_path with modules of the workspace."""

from test import test_runpy

_ABOUT_SCRIPTS = "runs a script file or archive, which nobody imports"
NOT_OURS = {
    "test_basic_script": _ABOUT_SCRIPTS,
    "test_basic_script_with_path_object": _ABOUT_SCRIPTS,
    "test_basic_script_with_pathlike_object": _ABOUT_SCRIPTS,
    "test_basic_script_no_suffix": _ABOUT_SCRIPTS,
    "test_script_compiled": _ABOUT_SCRIPTS,
    "test_directory_compiled": _ABOUT_SCRIPTS,
    "test_zipfile": _ABOUT_SCRIPTS,
    "test_zipfile_compiled": _ABOUT_SCRIPTS,
    "test_zipfile_error": _ABOUT_SCRIPTS,
    "test_main_recursion_error": _ABOUT_SCRIPTS,
    "test_encoding": _ABOUT_SCRIPTS,
}
DIFFERS = {"test_pkgutil_walk_packages": "asks for importlib's FileFinder by type"}


class NothingCached:
    """A spec of the workspace invites nobody to write a compiled file; everything else must be as for files."""

    CHECKED_SPEC_ATTRIBUTES = [a for a in test_runpy.CodeExecutionMixin.CHECKED_SPEC_ATTRIBUTES if a != "cached"]

    def assertNamespaceMatches(self, result_ns, expected_ns):
        expected_ns = {**expected_ns, "__cached__": None}
        if expected_ns["__spec__"] is not None:
            expected_ns["__spec__"].loader = None
            self.assertIsNone(result_ns["__spec__"].cached)
        super().assertNamespaceMatches(result_ns, expected_ns)


class RunModule(NothingCached, test_runpy.RunModuleTestCase):
    pass


class RunPath(NothingCached, test_runpy.RunPathTestCase):
    pass
