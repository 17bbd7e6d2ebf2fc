"""importlib.resources over packages of the workspace. What is stored of a package is its modules, so these tests read
__init__.py where CPython's read a text file."""

import importlib
import importlib.resources
import os
import sys
import unittest

from published_tree import PublishedTree
from test.test_importlib.resources import util

try:
    from test.test_importlib.resources import test_contents  # Python 3.12 and later
except ImportError:
    from test.test_importlib import test_contents

ENTRY = os.path.join(os.environ["BIFROST_WORKSPACE"], "resources")
CONTENT = "# Hello, world!\n"
for directory in ("data01", "data01/subdirectory"):
    os.makedirs(os.path.join(ENTRY, directory))
    with open(os.path.join(ENTRY, directory, "__init__.py"), "w") as stream:
        stream.write(CONTENT)
sys.path.insert(0, ENTRY)
PublishedTree.current.publish()
util.data01 = importlib.import_module("data01")  # Python 3.11's tests find it here, later ones in self.data


class Data01:
    def setUp(self):
        self.data = importlib.import_module("data01")


class Anchors(Data01, util.CommonTestsBase if hasattr(util, "CommonTestsBase") else util.CommonTests):
    """What may be passed for a package and for a path."""

    def execute(self, package, path):
        module = package if not isinstance(package, str) else importlib.import_module(package)
        if module.__name__ == "data01":
            path = type(path)("__init__.py")
        self.read(importlib.resources.files(package).joinpath(path), package)

    # Since Python 3.12 files() takes a module for its package.
    test_non_package_by_name = test_non_package_by_package = None


class ReadBytes(Anchors, unittest.TestCase):
    def read(self, file, package):
        file.read_bytes()


class OpenText(Anchors, unittest.TestCase):
    def read(self, file, package):
        with file.open("r", encoding="utf-8") as stream:
            stream.read()


class AsFile(Anchors, unittest.TestCase):
    # Its package has a reader of its own, which as_file() takes for a directory since Python 3.12. Nothing of ours runs.
    test_extant_path = None

    def read(self, file, package):
        with importlib.resources.as_file(file) as path, open(path, "rb") as stream:
            stream.read()


class Contents(Data01, test_contents.ContentsTests, unittest.TestCase):
    expected = {"__init__.py", "subdirectory"}
