"""test_zipimport, publishing instead of writing archives: an entry of sys.path is a directory of the workspace."""

from test import test_zipimport

# What the archives hold compiled is published as source.
test_zipimport.pyc_ext = ".py"
test_zipimport.test_pyc = test_zipimport.test_src

_ABOUT_PYC = "about .pyc members: compiled code is no file here"
_ABOUT_ARCHIVES = "about the zipimporter object or the archive's bytes"
_ABOUT_DIRECTORIES = "about entries for directories, in archives that they write without makeZip"
NOT_OURS = {
    "testUncheckedHashBasedPyc": _ABOUT_PYC,
    "test_checked_hash_based_change_pyc": _ABOUT_PYC,
    "testBadMagic": _ABOUT_PYC,
    "testBadMagic2": _ABOUT_PYC,
    "testBadMTime": _ABOUT_PYC,
    "test2038MTime": _ABOUT_PYC,
    "testGetCompiledSource": _ABOUT_PYC,
    "testZipImporterMethods": _ABOUT_ARCHIVES,
    "testZipImporterMethodsInSubDirectory": _ABOUT_ARCHIVES,
    "testInvalidateCaches": _ABOUT_ARCHIVES,
    "testInvalidateCachesWithMultipleZipimports": _ABOUT_ARCHIVES,
    "testGetData": _ABOUT_ARCHIVES,
    "testUnencodable": _ABOUT_ARCHIVES,
    "testBytesPath": _ABOUT_ARCHIVES,
    "testZip64": _ABOUT_ARCHIVES,
    "testZip64CruftAndComment": _ABOUT_ARCHIVES,
    "testZip64LargeFile": _ABOUT_ARCHIVES,
    "testPackageExplicitDirectories": _ABOUT_DIRECTORIES,
    "testPackageImplicitDirectories": _ABOUT_DIRECTORIES,
    "testNamespacePackageExplicitDirectories": _ABOUT_DIRECTORIES,
    "testNamespacePackageImplicitDirectories": _ABOUT_DIRECTORIES,
    "testGetDataExplicitDirectories": _ABOUT_DIRECTORIES,
    "testGetDataImplicitDirectories": _ABOUT_DIRECTORIES,
}
_ONLY_SOURCE = "only .py files are stored, so get_data finds no others"
DIFFERS = {
    "testImporterAttr": _ONLY_SOURCE,
    "testDoctestFile": _ONLY_SOURCE,
    "testDoctestSuite": _ONLY_SOURCE,
}


class ZipFixture(test_zipimport.UncompressedZipImportTestCase):
    def makeZip(self, files, zipName=None, *, prefix="", **kw):
        self.makeTree({prefix + name: data for name, data in files.items()}, zipName or test_zipimport.TEMP_ZIP)

    def makeTree(self, files, dirName=test_zipimport.TEMP_DIR):
        super().makeTree({name: _as_bytes(data) for name, data in files.items()}, dirName)


def _as_bytes(data):
    """What a file of the fixture holds: bytes or text, since Python 3.13 with or without its time before it."""
    if isinstance(data, tuple):
        return (data[0], _as_bytes(data[1]))
    return data.encode() if isinstance(data, str) else data
