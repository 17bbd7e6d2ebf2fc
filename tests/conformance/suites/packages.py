"""test_pkg and test_pkgutil: packages, their listings and extend_path, in directories of the workspace."""

from test import test_pkg, test_pkgutil

_ABOUT_ARCHIVES = "about zip archives on disk"
NOT_OURS = {
    "test_getdata_zipfile": _ABOUT_ARCHIVES,
    "test_issue44061_iter_modules": _ABOUT_ARCHIVES,
    "test_walkpackages_zipfile": _ABOUT_ARCHIVES,
}
DIFFERS = {
    "test_getdata_filesys": "only .py files are stored, so get_data finds no others",
    "test_iter_importers": "asks for importlib's FileFinder by type",
}

# The attributes of a module differ in three names.
ADDED, ABSENT = {"__content_hash__", "__storage_path__"}, {"__cached__"}
_fixdir = test_pkg.fixdir


def fixdir(names):
    names = set(_fixdir(names))
    return sorted(names - ADDED | (ABSENT if ADDED & names else set()))


test_pkg.fixdir = fixdir


class Packages(test_pkg.TestPkg):
    pass


class Pkgutil(test_pkgutil.PkgutilTests):
    pass


class ExtendPath(test_pkgutil.ExtendPathTests):
    pass


class NestedNamespaces(test_pkgutil.NestedNamespacePackageTest):
    pass
