"""Describes what is loaded of the workspace so that two processes can be compared: values, which objects are the same
ones, registries, names in sys.modules. An installed module to the processes that import it."""

import re
import sys
import types

OURS = re.compile(r"(pkg\d|reg|discovery|plugins|entry|opt\d)(\.|$)")
LEFT_OUT = {"__builtins__", "__loader__", "__spec__", "__content_hash__", "__path__"}


def describe(call=True):
    import entry  # noqa: F401, of the workspace

    if call:
        for name in names():
            for attribute, value in list(vars(sys.modules[name]).items()):
                if attribute.startswith("lazy"):
                    value()
    seen = {}
    return {name: {a: shown(v, seen) for a, v in sorted(vars(sys.modules[name]).items()) if a not in LEFT_OUT}
            for name in names()}


def names():
    return sorted(name for name in sys.modules if OURS.match(name))


def shown(value, seen, depth=0):
    """Plain values as they are; everything else by type and a number that is the same for the same object."""
    if value is None or isinstance(value, (int, str, float)):
        return value
    if depth > 4:
        return "..."
    if isinstance(value, (list, tuple, set)):
        return [shown(item, seen, depth + 1) for item in value]
    if isinstance(value, dict):
        return [[shown(k, seen, depth + 1), shown(v, seen, depth + 1)] for k, v in value.items()]
    name = f"{type(value).__name__} {getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    if isinstance(value, types.ModuleType):
        name = f"module {value.__name__}"
    number = seen.setdefault(id(value), len(seen))
    extra = [shown(base, seen, depth + 1) for base in value.__mro__[1:-1]] if isinstance(value, type) else []
    if isinstance(value, types.FunctionType) and re.match(r"f\d|plugin\d", value.__name__):
        extra.append(value())
    return [name, number, *extra]
