"""Runs one function of the workspace by its name, "pkg.mod:function" or "path/to/file.py:function"."""

import inspect
import os
import sys
import traceback
from importlib import _bootstrap, import_module

from . import _shim

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def split(target):
    """("pkg.mod" or "path/to/file.py", "function"); ValueError when `target` is of neither form."""
    module, colon, function = target.partition(":")
    if not module or not colon or not function:
        raise ValueError(f"target {target!r} is not of the form 'pkg.mod:function' or 'path/to/file.py:function'")
    return module, function


def load(target):
    """The function, its module imported."""
    module_name, function_name = split(target)
    function = module_at(module_name) if module_name.endswith(".py") else import_module(module_name)
    for attribute in function_name.split("."):
        function = getattr(function, attribute)
    return function


def module_at(path):
    """The module of the file of `path`, whose name need not be one in Python."""
    spec = _shim.spec_of_path(path)
    if spec is None:
        raise ModuleNotFoundError(f"No module at '{path}' in the scope of this execution", path=path)
    name = spec.name
    # As an import does: other threads wait until the module's body has run; the one that runs it does not, nor do two
    # that would wait for each other.
    entered = False
    try:
        with _bootstrap._ModuleLockManager(name):
            entered = True
            return sys.modules[name] if _is_loaded(spec) else _loaded(spec)
    except _bootstrap._DeadlockError:
        if entered or not _is_loaded(spec):
            raise
        return sys.modules[name]


def _is_loaded(spec):
    """Also by another object that its body has put in its place."""
    there = sys.modules.get(spec.name)
    if isinstance(there, type(sys)):
        return vars(there).get("__file__") == spec.origin
    return there is not None


def _loaded(spec):
    module = _bootstrap._load_unlocked(spec)
    parent, _, child = spec.name.rpartition(".")
    directory = os.path.dirname(spec.origin)
    if spec.submodule_search_locations is not None:
        directory = os.path.dirname(directory)
    # Only where an import would have found it there: a directory may have the name of an installed package.
    if directory in getattr(sys.modules.get(parent), "__path__", ()):
        try:
            setattr(sys.modules[parent], child, module)
        except AttributeError:
            pass  # a package that does not take it, which an import only warns of
    return module


def run(target, kwargs, load=load):
    """The function's result; a coroutine is run to its end."""
    result = load(target)(**kwargs)
    if inspect.iscoroutine(result):
        import asyncio

        result = asyncio.run(result)
    return result


def traceback_text(error):
    """The traceback as Python prints it, from the first frame that is not this package's."""
    first = error.__traceback__
    frame = first
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_HERE):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame or first))
