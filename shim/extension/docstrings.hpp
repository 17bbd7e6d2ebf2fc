// docstrings.hpp - what help() says of the extension module's names. bifrost_cache/_shim.pyi says the same to type
// checkers and editors; tests/shim/test_stub.py compares them. The public functions are described where they are
// public, in bifrost_cache/__init__.py.
#pragma once

namespace bifrost::docstrings {

inline constexpr const char* kVirtualModuleFinder = R"(Finds modules of the workspace: an entry of sys.meta_path.)";
inline constexpr const char* kVirtualModuleFinderFindSpec =
    R"(The spec of a module of the workspace; None for every other name.

`path` is the parent's __path__; with None a dotted name is looked for where its parents spell.
ImportError when the module exists and cannot be had. Costs one probe of shared memory, and no system
call, while the mirror can be relied on; otherwise a question to Redis. `target` is not used.)";
inline constexpr const char* kVirtualModuleFinderInvalidateCaches =
    R"(Forgets the listing of modules that was read from Redis. Moves no snapshot; no system call.)";
inline constexpr const char* kVirtualModuleLoader =
    R"(Runs one module of the workspace. Keeps for life what it found, so that `inspect` and tracebacks show
the lines that ran. Loaders of the same name and path are equal.

Methods that take a name raise ImportError for another module's.)";
inline constexpr const char* kVirtualModuleLoaderCreateModule =
    R"(The module, with the attributes that Python would set, not yet run.)";
inline constexpr const char* kVirtualModuleLoaderExecModule =
    R"(Executes the module in its namespace. Its exceptions pass unchanged, without frames of this package.)";
inline constexpr const char* kVirtualModuleLoaderGetCode =
    R"(The module's code object. SyntaxError, as compile() has it.)";
inline constexpr const char* kVirtualModuleLoaderGetSource =
    R"(The text, without byte order mark, with universal newlines. OSError when it cannot be read any more.)";
inline constexpr const char* kVirtualModuleLoaderGetFilename =
    R"(<workspace>/<storage path>; the file need not exist.)";
inline constexpr const char* kVirtualModuleLoaderIsPackage = R"(Whether the module is stored as an __init__.py.)";
inline constexpr const char* kVirtualModuleLoaderGetData =
    R"(The stored bytes of any path in the workspace that the scope admits. FileNotFoundError for every other
path, OSError when neither mirror nor Redis could be asked. Costs a copy.)";
inline constexpr const char* kVirtualModuleLoaderGetResourceReader =
    R"(For importlib.resources: a reader of the module's own directory. Imports importlib.resources at the
first call.)";
inline constexpr const char* kExecution = R"(What begin_execution() decided.)";
inline constexpr const char* kLoadedModule = R"(One module that this process loaded from the workspace.)";
inline constexpr const char* kInstallVirtualImportHook = R"(What bifrost_cache.install_virtual_import_hook() calls.)";
inline constexpr const char* kRemoveVirtualImportHook = R"(What bifrost_cache.remove_virtual_import_hook() calls.)";
inline constexpr const char* kGetVirtualFinder = R"(What bifrost_cache.get_virtual_finder() calls.)";
inline constexpr const char* kInvalidateModuleIndex = R"(What bifrost_cache.invalidate_module_index() calls.)";
inline constexpr const char* kBeginExecution = R"(What bifrost_cache.begin_execution() calls.)";
inline constexpr const char* kWaitFresh = R"(What bifrost_cache.wait_fresh() calls.)";
inline constexpr const char* kLoaded = R"(What bifrost_cache.loaded() calls.)";
inline constexpr const char* kSource = R"(What source_of() found.)";
inline constexpr const char* kSourceSource = R"(The text, as it is stored.)";
inline constexpr const char* kSourceOf = R"(What bifrost_cache.source_of() calls.)";
inline constexpr const char* kSpecOfPath =
    R"(As source_of(), the spec of a module that is called as the path is: "flows.my-flow". None when there is
none.)";
inline constexpr const char* kStats = R"(What bifrost_cache.stats() calls.)";
inline constexpr const char* kEffectiveSettings =
    R"(The arguments of install_virtual_import_hook() that make another process see what this one sees.)";
inline constexpr const char* kListDirectory =
    R"((name, kind) of the children of a directory of the workspace; kind: "module", "package" or "namespace".)";
inline constexpr const char* kCurrentExecution = R"(What bifrost_cache.current_execution() calls.)";
inline constexpr const char* kBeginUnlessChanged =
    R"(begin_execution() for a process that can be replaced by another: None when something that is loaded has
changed, which stays as it is. The process must not import from the workspace then.)";
inline constexpr const char* kHoldCode =
    R"(Holds code objects of what these storage paths have in the present execution, and of nothing else: modules
with the same content are executed from them. In this order, for as long as their sources take no more than
most_bytes. Returns which were left out, and why.)";
inline constexpr const char* kHeldCodeIsCurrent =
    R"(Whether what hold_code() holds is what its paths have in the present execution.)";
inline constexpr const char* kLetGo = R"(Closes the connections that this process keeps between questions.)";
inline constexpr const char* kKeepAsked =
    R"(What has been asked of the workspace so far counts as what is loaded does: begin_unless_changed() compares it.
For installed modules that have gone by it, and stay.)";
inline constexpr const char* kSettle =
    R"(Prepares for forks: closes the connections of this process, and notes that what it has loaded is current in
its present execution. False when it is not.)";
inline constexpr const char* kEndWithParent =
    R"(Has the kernel kill this process when the thread that started it ends. `parent` is that thread's process: if it
is gone already, this process ends at once.)";
inline constexpr const char* kPrefault =
    R"(Copies pages that this process shares with the one it was forked from, so that writing to them costs nothing
later: `most_bytes` at most, and until the descriptor `until` has something to read. Returns the bytes.)";
inline constexpr const char* kWatchImports =
    R"(Notes from now on which modules of the workspace are run. Forgets what it has noted. `observer`, if any, is
called before each run with (name, None), and after it with (name, True) or (name, what it raised).)";
inline constexpr const char* kWatchedImports =
    R"((name, storage path, name of the module whose run it happened in or "", bytes of source, whether its code was
held ready) of each run that was noted and has not failed, in the order in which they began.)";
inline constexpr const char* kFailedImports =
    R"(The names of the modules of which a run that was noted has failed; another may not have.)";
inline constexpr const char* kUnwatchImports = R"(Ends what watch_imports() began, and forgets what was noted.)";
inline constexpr const char* kPresentRoots = R"(The roots of the present execution, as begin_execution() takes them.)";
inline constexpr const char* kRootsOf =
    R"(The roots of the execution that begin_execution() would begin with these arguments, as its `roots`. ValueError as
there.)";
inline constexpr const char* kEvictions =
    R"(How often this process, and those that it was forked from, have evicted modules.)";
inline constexpr const char* kAskedHost =
    R"(The variable of the context that the fallback is asked in: a list, which is empty once the question is over. What
is imported meanwhile in a context that has it is not put to the fallback.)";
inline constexpr const char* kReport =
    R"(Hands what this process has counted since it last did to the node, as its end does: for processes that end
without the interpreter's own end.)";
inline constexpr const char* kVirtualModuleLoaderName = R"(The module's name.)";
inline constexpr const char* kVirtualModuleLoaderPath = R"(As get_filename().)";
inline constexpr const char* kExecutionGeneration =
    R"(The generation that this execution is pinned to; 0 when it imports from Redis.)";
inline constexpr const char* kExecutionSource =
    R"(Where modules come from: "shm", the mirror; "redis"; "stale", the last known source.)";
inline constexpr const char* kExecutionReason = R"(Why `source` is not "shm", in one clause; "" when it is.)";
inline constexpr const char* kExecutionEvicted =
    R"(The modules that were removed from sys.modules, because one of them had changed.)";
inline constexpr const char* kExecutionIntact =
    R"(False unless all that this execution has imported, also in processes that it forked, is known to be of one
generation: Redis was asked, also about what is not there, or modules came from a fallback, or the agent had to give up
the generation that it began with and what had been loaded or asked for had changed, or more than one process had
taken modules, or a module was being imported when it began, or another execution began before it ended and something
had changed.)";
inline constexpr const char* kExecutionDeploying =
    R"(True if a deploy was going on when it began: it imports the state before that, unless it imports from
Redis.)";
inline constexpr const char* kExecutionEnter =
    R"(Mark this execution as going on: until the `with` block ends, begin_execution() of another scope raises
RuntimeError in every thread of this process.)";
inline constexpr const char* kExecutionExit = R"(The execution has ended; what it imported stays.)";
inline constexpr const char* kLoadedModulePath = R"(The storage path, such as "a/b.py".)";
inline constexpr const char* kLoadedModuleHash = R"(The writer's `hash`, verbatim.)";
inline constexpr const char* kLoadedModuleGeneration =
    R"(Of the snapshot that it was read from; 0 unless it came from the mirror.)";
inline constexpr const char* kLoadedModuleSource =
    R"(What was run: "code", compiled by the agent; "source", from the mirror; "redis"; "fallback".)";

}  // namespace bifrost::docstrings
