"""What test.test_importlib.abc asks of every finder and loader: of the meta path finder by name, of the path entry
finder by directory, and of the loader that both hand out."""

import importlib
import importlib.util
import os
import sys
import types
import unittest

import bifrost_cache
from published_tree import PublishedTree
from test.test_importlib import abc, util

WORKSPACE = os.environ["BIFROST_WORKSPACE"]


class Published(unittest.TestCase):
    """Modules in a directory of the workspace; the workspace itself in the classes for the meta path finder."""

    directory = WORKSPACE

    def publish(self, **contents):
        for name, content in contents.items():
            file = os.path.join(self.directory, *name.split("__DOT__")) + ".py"
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "w") as stream:
                stream.write(content)
            self.addCleanup(os.unlink, file)
        PublishedTree.current.publish()

    def publish_paths(self, *paths):
        self.publish(**{path.replace("/", "__DOT__"): f"attr = {path!r}\n" for path in paths})

    def path(self, name):
        return os.path.join(self.directory, name)


class MetaPathFinder(Published, abc.FinderTests):
    def find(self, name, path=None):
        return bifrost_cache.get_virtual_finder().find_spec(name, path)

    def check(self, spec, file, locations):
        self.assertEqual(spec.origin, self.path(file))
        self.assertTrue(spec.has_location)
        self.assertIsNone(spec.cached)
        self.assertEqual(spec.submodule_search_locations, locations)
        self.assertEqual(spec.loader.get_filename(spec.name), spec.origin)

    def test_module(self):
        self.publish_paths("mod")
        self.check(self.find("mod"), "mod.py", None)

    def test_package(self):
        self.publish_paths("pkg/__init__")
        self.check(self.find("pkg"), "pkg/__init__.py", [self.path("pkg")])

    def test_module_in_package(self):
        self.publish_paths("pkg/__init__", "pkg/sub")
        self.check(self.find("pkg.sub", [self.path("pkg")]), "pkg/sub.py", None)

    def test_package_in_package(self):
        self.publish_paths("pkg/__init__", "pkg/sub/__init__")
        self.check(self.find("pkg.sub", [self.path("pkg")]), "pkg/sub/__init__.py", [self.path("pkg/sub")])

    def test_package_over_module(self):
        self.publish_paths("twice/__init__", "twice")
        self.check(self.find("twice"), "twice/__init__.py", [self.path("twice")])

    def test_failure(self):
        self.publish_paths("pkg/__init__")
        self.assertIsNone(self.find("nothing_of_that_name"))
        self.assertIsNone(self.find("pkg.nothing", [self.path("pkg")]))


class PathEntryFinder(MetaPathFinder):
    directory = os.path.join(WORKSPACE, "entry")

    def find(self, name, path=None):
        importer = sys.path_importer_cache.pop((path or [self.directory])[0], None)
        for hook in sys.path_hooks:
            try:
                importer = hook((path or [self.directory])[0])
                break
            except ImportError:
                pass
        return importer.find_spec(name)


class Loader(Published, abc.LoaderTests):
    directory = os.path.join(WORKSPACE, "loader")

    def setUp(self):
        sys.path.insert(0, self.directory)
        self.addCleanup(sys.path.remove, self.directory)

    def load(self, name):
        self.addCleanup(sys.modules.pop, name, None)
        return importlib.import_module(name)

    def check(self, module, name, file, package, path):
        self.assertIs(sys.modules[name], module)
        self.assertEqual(module.__name__, name)
        self.assertEqual(module.__file__, self.path(file))
        self.assertEqual(module.__package__, package)
        self.assertEqual(getattr(module, "__path__", None), path)
        self.assertIs(module.__loader__, module.__spec__.loader)
        self.assertEqual(module.__loader__.name, name)

    def test_module(self):
        self.publish(_temp="attr = 1\n")
        self.check(self.load("_temp"), "_temp", "_temp.py", "", None)

    def test_package(self):
        self.publish_paths("_pkg/__init__")
        self.check(self.load("_pkg"), "_pkg", "_pkg/__init__.py", "_pkg", [self.path("_pkg")])

    def test_lacking_parent(self):
        self.publish_paths("_pkg/__init__", "_pkg/mod")
        spec = MetaPathFinder.find(self, "_pkg.mod", [self.path("_pkg")])
        module = importlib.util.module_from_spec(spec)
        with util.uncache("_pkg.mod"):
            sys.modules["_pkg.mod"] = module
            spec.loader.exec_module(module)
            self.check(module, "_pkg.mod", "_pkg/mod.py", "_pkg", None)
        self.assertNotIn("_pkg", sys.modules)

    def test_state_after_failure(self):
        attributes = ("__file__", "__path__", "__package__", "attr")
        module = types.ModuleType("_temp")
        for attribute in attributes:
            setattr(module, attribute, "value")
        self.publish(_temp="+++ bad syntax +++")
        with util.uncache("_temp"):
            sys.modules["_temp"] = module
            module.__spec__ = MetaPathFinder.find(self, "_temp", [self.directory])
            with self.assertRaises(SyntaxError):
                module.__spec__.loader.exec_module(module)
            for attribute in attributes:
                self.assertEqual(getattr(module, attribute), "value")

    def test_unloadable(self):
        self.publish(_temp="attr = 1\n")
        loader = MetaPathFinder.find(self, "_temp", [self.directory]).loader
        for ask in (loader.get_code, loader.get_source, loader.get_filename, loader.is_package):
            with self.subTest(ask.__name__), self.assertRaises(ImportError) as caught:
                ask("another")
            self.assertEqual(caught.exception.name, "another")

    def test_a_module_that_does_not_compile_is_not_left_behind(self):
        self.publish(_temp="+++ bad syntax +++")
        with self.assertRaises(SyntaxError):
            self.load("_temp")
        self.assertNotIn("_temp", sys.modules)
