"""How specs and loaders of the workspace are unpickled: by the name of their module, as functions are.

What was pickled holds no place in the mirror, and loads wherever the module can be found.
"""

from importlib.util import find_spec


def spec_of(name):
    """The spec that the name has here. ModuleNotFoundError if there is none. Imports the packages above it."""
    spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return spec


def loader_of(name):
    """Its loader. Errors: as spec_of()."""
    return spec_of(name).loader
