"""importlib.resources for packages and modules of the workspace. Imported only when somebody asks for resources.

What the workspace stores is source files; so the files of a package are its modules, and those of a
module the modules beside it.
"""

import io
import posixpath
from importlib.resources.abc import Traversable, TraversableResources

from . import _shim


class _WorkspacePath(Traversable):
    def __init__(self, loader, path):
        self._loader = loader
        self._path = path

    @property
    def name(self):
        return posixpath.basename(self._path)

    def joinpath(self, *descendants):
        here = self
        for part in "/".join(str(d) for d in descendants).split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                raise ValueError(f"a resource lies below its package: {descendants}")
            here = here._child(part)
        return here

    __truediv__ = joinpath

    def _child(self, name):
        return WorkspaceMissing(self._loader, posixpath.join(self._path, name))

    def __eq__(self, other):
        return isinstance(other, _WorkspacePath) and self._path == other._path

    def __hash__(self):
        return hash(self._path)

    def __str__(self):
        return self._path


class WorkspaceFile(_WorkspacePath):
    def is_file(self):
        return True

    def is_dir(self):
        return False

    def iterdir(self):
        raise NotADirectoryError(self._path)

    def read_bytes(self):
        return self._loader.get_data(self._path)

    # The base class' takes no `errors`, which importlib.resources passes from Python 3.13 on.
    def read_text(self, encoding=None, errors=None):
        return self.open("r", encoding=encoding, errors=errors).read()

    def open(self, mode="r", *args, **kwargs):
        if mode not in ("r", "rb", "rt"):
            raise PermissionError(f"{self._path} is read-only")
        stream = io.BytesIO(self.read_bytes())
        return stream if mode == "rb" else io.TextIOWrapper(stream, *args, **kwargs)


class WorkspaceDirectory(_WorkspacePath):
    def is_file(self):
        return False

    def is_dir(self):
        return True

    def _file(self, path):
        """Those that are stored under it: one or none."""
        try:
            self._loader.get_data(path)
        except FileNotFoundError:
            return
        except OSError:
            pass  # of a module whose version is no longer kept: it is there, and whoever reads it is told
        yield WorkspaceFile(self._loader, path)

    def iterdir(self):
        yield from self._file(posixpath.join(self._path, "__init__.py"))
        # The listing names what an import of each name finds: a package hides the file that shares its name.
        for name, kind in _shim.list_directory(self._path):
            path = posixpath.join(self._path, name)
            if kind == "module":
                yield WorkspaceFile(self._loader, path + ".py")
            else:
                yield WorkspaceDirectory(self._loader, path)
                yield from self._file(path + ".py")

    def _child(self, name):
        for child in self.iterdir():
            if child.name == name:
                return child
        return super()._child(name)

    def open(self, mode="r", *args, **kwargs):
        raise IsADirectoryError(self._path)


class WorkspaceMissing(WorkspaceFile):
    """A name that nothing is stored under: reading it raises FileNotFoundError."""

    def is_file(self):
        return False

    def iterdir(self):
        raise FileNotFoundError(self._path)


class DirectoryReader(TraversableResources):
    def __init__(self, loader, directory):
        self._root = WorkspaceDirectory(loader, directory)

    def files(self):
        return self._root
