"""Runs one function of the workspace by its name, "pkg.mod:function"."""

import inspect
import os
import traceback
from importlib import import_module

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def split(target):
    """("pkg.mod", "function"); ValueError when `target` is not of that form."""
    module, colon, function = target.partition(":")
    if not module or not colon or not function:
        raise ValueError(f"target {target!r} is not of the form 'pkg.mod:function'")
    return module, function


def load(target):
    """The function, its module imported."""
    module_name, function_name = split(target)
    function = import_module(module_name)
    for attribute in function_name.split("."):
        function = getattr(function, attribute)
    return function


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
