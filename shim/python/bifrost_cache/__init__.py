"""Import Python modules straight from the shared-memory mirror of this node.

    from bifrost_cache import install_virtual_import_hook, begin_execution

    install_virtual_import_hook()
    begin_execution()
    from shared import halopsa

Importing this package opens no connection and starts no thread.
"""

from ._shim import (
    Execution,
    LoadedModule,
    Source,
    VirtualModuleFinder,
    VirtualModuleLoader,
    __version__,
    begin_execution,
    get_virtual_finder,
    install_virtual_import_hook,
    invalidate_module_index,
    loaded,
    remove_virtual_import_hook,
    source_of,
    stats,
    wait_fresh,
)

__all__ = [
    "Execution",
    "LoadedModule",
    "Source",
    "VirtualModuleFinder",
    "VirtualModuleLoader",
    "__version__",
    "begin_execution",
    "get_virtual_finder",
    "install_virtual_import_hook",
    "invalidate_module_index",
    "load_path",
    "loaded",
    "remove_virtual_import_hook",
    "source_of",
    "stats",
    "wait_fresh",
]


def load_path(path: str) -> object:
    """The module of the file of `path`, as source_of() finds it: imported now, or the one that is loaded already.

    For platforms that run entry files by path; "flows/my-flow.py" becomes the module `flows.my-flow`. Tracebacks,
    `inspect` and `linecache` show its lines. Raises what its code raises; ModuleNotFoundError when there is no such
    file, and as source_of() otherwise.
    """
    from ._target import module_at

    return module_at(path)


def __getattr__(name):
    # multiprocessing is slow to import, and most processes here are workers, which never start one themselves.
    if name in ("worker", "zygote"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
