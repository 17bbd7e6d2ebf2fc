"""Writes the modules of the workspace to a directory, for tools that want files: coverage, debuggers, editors."""

import os
import posixpath
import tempfile

from . import _shim


def materialise(directory, roots):
    """Writes what can be imported below `roots`, paths in the workspace, to the same places below `directory`.

    Returns (files, written). Files that hold the right bytes are left alone, and so is everything else that is there.
    """
    workspace = _shim.effective_settings()["workspace"]
    files = written = 0
    for path, content in _sources(roots):
        files += 1
        written += _write(os.path.join(directory, posixpath.relpath(path, workspace)), content)
    return files, written


def _sources(roots):
    """(path in the workspace, bytes) of every module that the present view can import."""
    finder = _shim.get_virtual_finder()
    pending = list(roots)
    while pending:
        directory = pending.pop()
        for name, kind in _shim.list_directory(directory):
            if kind != "module":
                pending.append(posixpath.join(directory, name))
            # By directory: names of files need not be names in Python.
            spec = finder.find_spec(name, [directory])
            if spec is not None and spec.has_location:
                yield spec.origin, spec.loader.get_data(spec.origin)


def _write(file, content):
    try:
        with open(file, "rb") as stream:
            if stream.read() == content:
                return False
    except FileNotFoundError:
        os.makedirs(os.path.dirname(file), exist_ok=True)
    # A debugger that reads at this moment sees the old file or the new one.
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(file), delete=False) as stream:
        stream.write(content)
    os.chmod(stream.name, 0o644)
    os.replace(stream.name, file)
    return True
