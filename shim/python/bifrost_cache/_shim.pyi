# What the docstrings say, the extension module says, too: tests/shim/test_stub.py compares them. The public functions
# are described in __init__.py.
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from importlib.machinery import ModuleSpec
from os import PathLike
from types import CodeType, ModuleType
from typing import Any, Literal, final

from .fallback import Resolver

__version__: str

@final
class VirtualModuleFinder:
    """Finds modules of the workspace: an entry of sys.meta_path."""
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of the workspace; None for every other name.

        `path` is the parent's __path__; with None a dotted name is looked for where its parents spell.
        ImportError when the module exists and cannot be had. Costs one probe of shared memory, and no system
        call, while the mirror can be relied on; otherwise a question to Redis. `target` is not used.
        """
    def invalidate_caches(self) -> None:
        """Forgets the listing of modules that was read from Redis. Moves no snapshot; no system call."""

@final
class VirtualModuleLoader:
    """Runs one module of the workspace. Keeps for life what it found, so that `inspect` and tracebacks show
    the lines that ran. Loaders of the same name and path are equal.

    Methods that take a name raise ImportError for another module's.
    """
    @property
    def name(self) -> str:
        """The module's name."""
    @property
    def path(self) -> str:
        """As get_filename()."""
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module, with the attributes that Python would set, not yet run."""
    def exec_module(self, module: ModuleType) -> None:
        """Executes the module in its namespace. Its exceptions pass unchanged, without frames of this package."""
    def get_code(self, fullname: str | None = None) -> CodeType:
        """The module's code object. SyntaxError, as compile() has it."""
    def get_source(self, fullname: str | None = None) -> str:
        """The text, without byte order mark, with universal newlines. OSError when it cannot be read any more."""
    def get_filename(self, fullname: str | None = None) -> str:
        """<workspace>/<storage path>; the file need not exist."""
    def is_package(self, fullname: str | None = None) -> bool:
        """Whether the module is stored as an __init__.py."""
    def get_data(self, path: str) -> bytes:
        """The stored bytes of any path in the workspace that the scope admits. FileNotFoundError for every other
        path, OSError when neither mirror nor Redis could be asked. Costs a copy.
        """
    def get_resource_reader(self, fullname: str | None = None) -> Any:
        """For importlib.resources: a reader of the module's own directory. Imports importlib.resources at the
        first call.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Execution:
    """What begin_execution() decided."""
    @property
    def generation(self) -> int:
        """The generation that this execution is pinned to; 0 when it imports from Redis."""
    @property
    def source(self) -> Literal["shm", "redis", "stale"]:
        """Where modules come from: "shm", the mirror; "redis"; "stale", the last known source."""
    @property
    def reason(self) -> str:
        """Why `source` is not "shm", in one clause; "" when it is."""
    @property
    def evicted(self) -> list[str]:
        """The modules that were removed from sys.modules, because one of them had changed."""
    @property
    def intact(self) -> bool:
        """False unless all that this execution has imported, also in processes that it forked, is known to be of one
generation: Redis was asked, also about what is not there, or modules came from a fallback, or the agent had to give up
the generation that it began with and what had been loaded or asked for had changed, or more than one process had
taken modules, or a module was being imported when it began, or another execution began before it ended and something
had changed."""
    @property
    def deploying(self) -> bool:
        """True if a deploy was going on when it began: it imports the state before that, unless it imports from
        Redis."""
    def __enter__(self) -> Execution:
        """Mark this execution as going on: until the `with` block ends, begin_execution() of another scope raises
RuntimeError in every thread of this process."""
    def __exit__(self, *args: object) -> None:
        """The execution has ended; what it imported stays."""

@final
class Source:
    """What source_of() found."""
    @property
    def path(self) -> str:
        """The storage path, such as "a/b.py"."""
    @property
    def source(self) -> str:
        """The text, as it is stored."""
    @property
    def hash(self) -> str:
        """The writer's `hash`, verbatim."""
    @property
    def generation(self) -> int:
        """Of the snapshot that it was read from; 0 unless it came from the mirror."""

@final
class LoadedModule:
    """One module that this process loaded from the workspace."""
    @property
    def path(self) -> str:
        """The storage path, such as "a/b.py"."""
    @property
    def hash(self) -> str:
        """The writer's `hash`, verbatim."""
    @property
    def generation(self) -> int:
        """Of the snapshot that it was read from; 0 unless it came from the mirror."""
    @property
    def source(self) -> Literal["code", "source", "redis", "fallback"]:
        """What was run: "code", compiled by the agent; "source", from the mirror; "redis"; "fallback"."""

def install_virtual_import_hook(
    segment_dir: str | PathLike[str] | None = None,
    redis_url: str | None = None,
    workspace: str | PathLike[str] | None = None,
    precedence: Literal["workspace", "installed"] | None = None,
    on_stale: Literal["serve", "error"] | None = None,
    complete: bool | None = None,
    fallback: Callable[[str], str | bytes | None] | Resolver | None = None,
) -> VirtualModuleFinder:
    """What bifrost_cache.install_virtual_import_hook() calls."""

def remove_virtual_import_hook() -> None:
    """What bifrost_cache.remove_virtual_import_hook() calls."""

def get_virtual_finder() -> VirtualModuleFinder | None:
    """What bifrost_cache.get_virtual_finder() calls."""

def invalidate_module_index() -> None:
    """What bifrost_cache.invalidate_module_index() calls."""

def begin_execution(
    solution_id: str | None = None,
    global_repo_access: bool = False,
    roots: Sequence[str] | None = None,
    fresh: bool = True,
    timeout: float = 0.25,
) -> Execution:
    """What bifrost_cache.begin_execution() calls."""

def current_execution() -> Execution | None:
    """What bifrost_cache.current_execution() calls."""

def wait_fresh(timeout: float) -> int:
    """What bifrost_cache.wait_fresh() calls."""

def loaded() -> dict[str, LoadedModule]:
    """What bifrost_cache.loaded() calls."""

def source_of(path: str, /) -> Source | None:
    """What bifrost_cache.source_of() calls."""

def spec_of_path(path: str, /) -> ModuleSpec | None:
    """As source_of(), the spec of a module that is called as the path is: "flows.my-flow". None when there is
    none.
    """

def stats() -> dict[str, int | str]:
    """What bifrost_cache.stats() calls."""

def begin_unless_changed(roots: Sequence[str], /) -> Execution | None:
    """begin_execution() for a process that can be replaced by another: None when something that is loaded has
    changed, which stays as it is. The process must not import from the workspace then.
    """

def hold_code(paths: Sequence[str], most_bytes: int) -> dict[str, str]:
    """Holds code objects of what these storage paths have in the present execution, and of nothing else: modules
    with the same content are executed from them. In this order, for as long as their sources take no more than
    most_bytes. Returns which were left out, and why.
    """

def held_code_is_current() -> bool:
    """Whether what hold_code() holds is what its paths have in the present execution."""

def let_go() -> None:
    """Closes the connections that this process keeps between questions."""

def keep_asked() -> None:
    """What has been asked of the workspace so far counts as what is loaded does: begin_unless_changed() compares it.
    For installed modules that have gone by it, and stay.
    """

def settle() -> bool:
    """Prepares for forks: closes the connections of this process, and notes that what it has loaded is current in
    its present execution. False when it is not.
    """

def end_with_parent(parent: int) -> None:
    """Has the kernel kill this process when the thread that started it ends. `parent` is that thread's process: if it
    is gone already, this process ends at once.
    """

def prefault(most_bytes: int, until: int) -> int:
    """Copies pages that this process shares with the one it was forked from, so that writing to them costs nothing
    later: `most_bytes` at most, and until the descriptor `until` has something to read. Returns the bytes.
    """

def watch_imports(observer: Callable[[str, bool | BaseException | None], None] | None = None) -> None:
    """Notes from now on which modules of the workspace are run. Forgets what it has noted. `observer`, if any, is
    called before each run with (name, None), and after it with (name, True) or (name, what it raised).
    """

def watched_imports() -> list[tuple[str, str, str, int, bool]]:
    """(name, storage path, name of the module whose run it happened in or "", bytes of source, whether its code was
    held ready) of each run that was noted and has not failed, in the order in which they began.
    """

def failed_imports() -> set[str]:
    """The names of the modules of which a run that was noted has failed; another may not have."""

def unwatch_imports() -> None:
    """Ends what watch_imports() began, and forgets what was noted."""

def present_roots() -> list[str]:
    """The roots of the present execution, as begin_execution() takes them."""

def roots_of(solution_id: str | None, global_repo_access: bool, roots: Sequence[str] | None) -> list[str]:
    """The roots of the execution that begin_execution() would begin with these arguments, as its `roots`. ValueError as
    there."""

def evictions() -> int:
    """How often this process, and those that it was forked from, have evicted modules."""

def asked_host() -> ContextVar[list[object]]:
    """The variable of the context that the fallback is asked in: a list, which is empty once the question is over. What
    is imported meanwhile in a context that has it is not put to the fallback.
    """

def report() -> None:
    """Hands what this process has counted since it last did to the node, as its end does: for processes that end
    without the interpreter's own end.
    """

def effective_settings() -> dict[str, Any]:
    """The arguments of install_virtual_import_hook() that make another process see what this one sees."""

def list_directory(path: str) -> list[tuple[str, str]]:
    """(name, kind) of the children of a directory of the workspace; kind: "module", "package" or "namespace"."""
