"""Hooks that ours is measured against. Imported by workers."""

import importlib.machinery
import marshal
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo.d"))
from plain_hook import PlainHook  # noqa: E402

sys.path.pop()


class MarshalHook(PlainHook):
    """The plain hook, had somebody stored marshalled code objects in Redis."""

    prefix = "bench:marshal:"

    def code_of(self, spec):
        return marshal.loads(spec.loader_state)


class DictOfBlobs:
    """Oracle: everything is in this process already, and only unmarshalling and executing remains.

    `modules`: {name: (file, directory of a package or None, blob)}; a blob of None is a namespace.
    """

    def __init__(self, modules):
        self.modules = modules

    def find_spec(self, name, path=None, target=None):
        module = self.modules.get(name)
        if module is None:
            return None
        file, directory, blob = module
        if blob is None:
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec = importlib.machinery.ModuleSpec(name, self, origin=file, loader_state=blob)
        spec.has_location = True
        if directory is not None:
            spec.submodule_search_locations = [directory]
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(marshal.loads(module.__spec__.loader_state), module.__dict__)


class DictOfCode(DictOfBlobs):
    """The limit: even unmarshalling was done before."""

    def __init__(self, modules):
        super().__init__({name: (file, directory, None if blob is None else marshal.loads(blob))
                          for name, (file, directory, blob) in modules.items()})

    def exec_module(self, module):
        exec(module.__spec__.loader_state, module.__dict__)
