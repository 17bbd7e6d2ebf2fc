"""test_importlib.import_: relative imports, packages, from-lists. Its importer made of memory is replaced by the meta
path finder, and the modules that it would make up by modules of the workspace."""

import os

import bifrost_cache
from published_tree import PublishedTree
from test.test_importlib import util
from test.test_importlib.import_ import test_fromlist, test_packages, test_relative_imports

DIFFERS = {"test_bad_parent": "a directory with modules and without __init__.py is a namespace package, as on disk"}
WORKSPACE = os.environ["BIFROST_WORKSPACE"]


class SourceOf:
    """A module that is still a file: setting an attribute adds the statement."""

    def __init__(self, file, text):
        object.__setattr__(self, "_file", file)
        object.__setattr__(self, "_text", text)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        self._write("")

    def _write(self, more):
        object.__setattr__(self, "_text", self._text + more)
        with open(self._file, "w") as stream:
            stream.write(self._text)

    def __setattr__(self, name, value):
        self._write(f"{name} = {value!r}\n")


class MirroredModules:
    """In the place of util.mock_spec: modules with an `attr`, and with code that calls back into the test."""

    codes = {}

    def __init__(self, *names, module_code=None):
        MirroredModules.codes.update(module_code or {})
        self._files = [os.path.join(WORKSPACE, *name.split(".")) + ".py" for name in names]
        self._sources = {}
        for file, full in zip(self._files, names, strict=True):
            name = full.removesuffix(".__init__")
            call = f"import suites.relative\nsuites.relative.MirroredModules.codes[{name!r}]()\n"
            text = f"attr = {full!r}\n" + (call if name in (module_code or {}) else "")
            self._sources[name] = SourceOf(file, text)

    def __enter__(self):
        self._uncache = util.uncache(*self._sources)
        self._uncache.__enter__()
        return self

    def __exit__(self, *exc_info):
        self._uncache.__exit__(None, None, None)
        for file in self._files:
            os.unlink(file)

    def __getitem__(self, name):
        return self._sources[name]

    def find_spec(self, fullname, path=None, target=None):
        PublishedTree.current.publish()
        return bifrost_cache.get_virtual_finder().find_spec(fullname, path, target)


util.mock_spec = MirroredModules


class RelativeImports(test_relative_imports.Frozen_RelativeImports):
    pass


class ParentModules(test_packages.Frozen_ParentTests):
    pass


class ReturnValue(test_fromlist.Frozen_ReturnValue):
    pass


class FromList(test_fromlist.Frozen_FromList):
    pass
