"""Import Python modules straight from the shared-memory mirror of this node.

    from bifrost_cache import install_virtual_import_hook, begin_execution

    install_virtual_import_hook()
    begin_execution()
    from shared import halopsa

Importing this package opens no connection and starts no thread.
"""

# The mechanism is the extension module. What is public is Python here: it can be pickled, inspected and documented.
# Arguments go on by position, which costs the extension half of what names do.
from . import _shim
from ._shim import Execution, LoadedModule, Source, VirtualModuleFinder, VirtualModuleLoader, __version__

TYPE_CHECKING = False  # typing and os.PathLike are imported for type checkers only
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from types import ModuleType
    from typing import Literal

    from .fallback import Resolver

__all__ = [
    "Execution",
    "LoadedModule",
    "Source",
    "VirtualModuleFinder",
    "VirtualModuleLoader",
    "__version__",
    "begin_execution",
    "current_execution",
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


def install_virtual_import_hook(
    *,
    segment_dir: "str | PathLike[str] | None" = None,
    redis_url: "str | None" = None,
    workspace: "str | PathLike[str] | None" = None,
    precedence: 'Literal["workspace", "installed"] | None' = None,
    on_stale: 'Literal["serve", "error"] | None' = None,
    complete: "bool | None" = None,
    fallback: "Callable[[str], str | bytes | None] | Resolver | None" = None,
) -> "VirtualModuleFinder":
    """Make modules of the workspace importable in this process. Idempotent: a second call puts back what was removed.

    It fits where a callable is wanted: `multiprocessing.Pool(initializer=install_virtual_import_hook)`. Every argument
    replaces the variable of its name, such as BIFROST_SEGMENT_DIR; one that is left out keeps the value of an earlier
    call. With BIFROST_DISABLE=1 the call does nothing.

    Args:
        segment_dir: Directory of the agent's segment and control socket.
        redis_url: The Redis to ask when the mirror cannot answer.
        workspace: The prefix of every `__file__`.
        precedence: Who wins a name that both have: "workspace", or "installed" packages.
        on_stale: When neither the mirror nor Redis is current: "serve" the last known source, or raise an "error".
        complete: False when Redis does not hold every module; then `fallback` needs `resolve`.
        fallback: Asked last, for a module that neither the mirror nor Redis has. A callable gets the storage path, such
            as "a/b.py", and returns the source as str or UTF-8 bytes, or None; threads may call it at the same time. An
            Exception of it counts as None, also one that a signal handler raises meanwhile: a time limit needs a
            BaseException, or `resolve`. An object with `resolve(name, scope)` is described in `bifrost_cache.fallback`;
            with complete=False it is asked before the next root of the scope. For `bifrost_cache.worker` and `Zygote`
            it must be picklable: their processes get a copy.

    Returns:
        The finder, which is now in `sys.meta_path`.

    Raises:
        ValueError: A setting makes no sense.
        TypeError: `fallback` is neither callable nor has `resolve`.
        RuntimeError: The call came from a sub-interpreter.

    The absence of the agent, its segment or Redis raises nothing here.

    Cost:
        Some milliseconds together with the import of this package; `bench/import/run` prints them beside
        `import redis`. No connection, no thread, no other import.

    Since:
        0.1.0
    """
    return _shim.install_virtual_import_hook(
        segment_dir, redis_url, workspace, precedence, on_stale, complete, fallback)


def remove_virtual_import_hook() -> None:
    """Take out everything that install_virtual_import_hook() put in place. Loaded modules stay; the execution ends.

    After another install, imports belong to no execution until the next begin_execution().

    Cost:
        No system call.

    Since:
        0.1.0
    """
    _shim.remove_virtual_import_hook()


def get_virtual_finder() -> "VirtualModuleFinder | None":
    """Return the finder that is installed.

    Returns:
        The finder; None without one.

    Cost:
        No system call.

    Since:
        0.1.0
    """
    return _shim.get_virtual_finder()


def invalidate_module_index() -> None:
    """Move this process to the newest snapshot, also within an execution. Loaded modules stay.

    Cost:
        In general no system call.

    Since:
        0.1.0
    """
    _shim.invalidate_module_index()


def begin_execution(
    *,
    solution_id: "str | None" = None,
    global_repo_access: bool = False,
    roots: "Sequence[str] | None" = None,
    fresh: bool = True,
    timeout: float = 0.25,
) -> "Execution":
    """Begin an execution: pin one snapshot, which holds every write that Redis acknowledged before this call.

    All later imports come from that snapshot. If a loaded module of the workspace has changed, or the scope is another
    one, all loaded modules of the workspace are evicted from `sys.modules`. As a context manager, the execution keeps
    other scopes out until its block ends.

    Args:
        solution_id: Sees the modules of this solution; None: the modules that all share.
        global_repo_access: Sees the shared modules after the solution's.
        roots: Replaces both: storage prefixes in the order of search, such as
            `["_workspace_releases/17/", ""]`.
        fresh: False asks nobody, so that writes of the last second may be missing.
        timeout: Seconds, 0 or more, to wait for the agent and Redis. After it the last known source is served and
            flagged (`Execution.source == "stale"` and one RuntimeWarning); with on_stale="error" imports raise instead.

    Returns:
        What was decided: generation, source, evicted modules.

    Raises:
        ValueError: `solution_id` is not a single path component, no module path can begin with one of `roots`, or
            `timeout` is negative.
        RuntimeError: An execution of another scope is inside its `with` block, or the call came from a sub-interpreter.

    Warns:
        RuntimeWarning: The last known source is served; or no hook is installed, so that imports go past the mirror.

    Cost:
        One round trip to the agent over a Unix socket, and one comparison per loaded module of the workspace. Where
        Redis has to be asked instead of a mirror: a round trip to it per 64 of these at best, beyond `timeout`.

    Since:
        0.1.0
    """
    return _shim.begin_execution(solution_id, global_repo_access, roots, fresh, timeout)


def current_execution() -> "Execution | None":
    """The present execution: what begin_execution() returned last, here or in the process that forked this one.

    For code that somebody else has begun an execution for, as `worker.execute()` and `Zygote` do: `intact` and `source`
    say what it can rely on. A platform that wants to know returns them with its result.

    Returns:
        The execution; None where none has begun, or the hook has been removed since.

    Cost:
        None.

    Since:
        0.1.0
    """
    return _shim.current_execution()


def wait_fresh(timeout: float) -> int:
    """Wait until the mirror holds every write that Redis acknowledged before this call. Pins nothing.

    While a deploy is going on, it waits for its end.

    Args:
        timeout: Seconds, 0 or more. Signals are handled meanwhile.

    Returns:
        The generation that holds those writes.

    Raises:
        TimeoutError: The agent has not answered, or a deploy has not ended, within `timeout`; the text says why.
        ValueError: `timeout` is negative.

    Cost:
        One round trip to the agent.

    Since:
        0.1.0
    """
    return _shim.wait_fresh(timeout)


def loaded() -> "dict[str, LoadedModule]":
    """List the modules of the workspace that are loaded in this process.

    Returns:
        A copy: module name to path, hash, generation and source. Namespaces are left out.

    Cost:
        A copy of four values per loaded module. No system call.

    Since:
        0.1.0
    """
    return _shim.loaded()


def stats() -> "dict[str, int | str]":
    """Return the counters of this process.

    Returns:
        Counter name to value, with `generation` and `source` of the present view. Empty with BIFROST_DISABLE=1.

    Cost:
        No system call.

    Since:
        0.1.0
    """
    return _shim.stats()


def source_of(path: str) -> "Source | None":
    """Return the source of one file of the workspace, found as an import in the present execution would find it.

    For platforms that load entry files by path. Loads nothing, and the file need not be importable by name.

    Args:
        path: As the platform names its entry files, "flows/my-flow.py". It is looked for in one root of the scope after
            the other. With its root in front, or below the workspace, it means that root.

    Returns:
        Path, source, hash and generation; None when there is no such file.

    Raises:
        ImportError: The file exists and cannot be had, or the fallback fails.
        OSError: The file was replaced, and its version is no longer kept.
        ValueError: No module can have this path.

    Cost:
        One probe of shared memory per root, and a copy of the source.

    Since:
        0.1.0
    """
    return _shim.source_of(path)


def load_path(path: str) -> "ModuleType":
    """Return the module of one file of the workspace: imported now, or the one that is loaded already.

    For platforms that run entry files by path. "flows/my-flow.py" becomes the module `flows.my-flow`, the one that an
    import of that name finds, and an attribute of its package if that is loaded by then. A dot or percent sign in a
    part of the path is written `%2E` or `%25`. Where the first part is a name of the standard library, `%2Epy` stands
    behind the name: "logging.py" becomes `logging%2Epy`. Tracebacks, `inspect` and `linecache` show its lines.

    Args:
        path: As for source_of().

    Returns:
        The module, which is in `sys.modules`.

    Raises:
        ModuleNotFoundError: There is no such file.
        ImportError: The file exists and cannot be had, or the fallback fails.
        ValueError: No module can have this path.

    What the module's own code raises passes unchanged.

    Cost:
        As an import.

    Since:
        0.1.0
    """
    from ._target import module_at

    return module_at(path)


def __getattr__(name):
    # multiprocessing is slow to import, and most processes here are workers, which never start one themselves.
    if name in ("worker", "zygote"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
