// module.cpp - the names of _shim. Only bindings: every decision lies behind them.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "shim/extension/asked_host.hpp"
#include "shim/extension/docstrings.hpp"
#include "shim/extension/eviction.hpp"
#include "shim/extension/fast_method.hpp"
#include "shim/extension/finalisation.hpp"
#include "shim/extension/finder.hpp"
#include "shim/extension/hook.hpp"
#include "shim/extension/host_store.hpp"
#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/left_behind.hpp"
#include "shim/extension/loader.hpp"
#include "shim/extension/missing_module.hpp"
#include "shim/extension/namespace_path.hpp"
#include "shim/extension/path_entry.hpp"
#include "shim/extension/requested_scope.hpp"
#include "shim/extension/running_modules.hpp"
#include "shim/extension/template_process.hpp"
#include "shim/extension/warning.hpp"

namespace bifrost {
namespace {

// What Python calls an Execution.
struct StartedExecution {
  std::uint64_t generation = 0;
  std::string source = "redis";
  std::string reason;
  std::vector<std::string> evicted;
  std::shared_ptr<SharedExecution> shared;  // null while disabled
  bool deploying = false;
  Scope scope;
};

std::string name_of(const Scope& scope) {
  if (!scope.solution_id().empty()) return "solution " + std::string(scope.solution_id());
  return scope == Scope() ? "no solution" : "root `" + scope.roots().front() + "/`";
}

[[noreturn]] void refuse_another_scope(const Scope& scope) {
  const std::string wanted = name_of(scope);
  throw std::runtime_error("an execution of another scope is going on in this process: an execution of " + wanted +
                           " can begin when its `with begin_execution(...)` block has ended, or in another process");
}

struct LoadedModuleInfo {
  std::string path;
  std::string hash;
  std::uint64_t generation = 0;
  std::string source;
};

// The entrance of every function here. Sub-interpreters would share one scope and one set of loaded modules.
Hook& hook() {
  refuse_subinterpreters();
  return Hook::instance();
}

constexpr double kLongestTimeoutSeconds = 86'400;

constexpr double kDefaultTimeoutSeconds = 0.25;

std::chrono::nanoseconds duration_of(double seconds) {
  if (std::isnan(seconds) || seconds < 0) throw py::value_error("timeout must be a number of seconds, 0 or more");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(seconds, kLongestTimeoutSeconds) * 1e9));
}

// A str or a path object.
OptionalText path_text(const py::object& path) {
  if (path.is_none()) return std::nullopt;
  const auto text = py::reinterpret_steal<py::object>(PyOS_FSPath(path.ptr()));
  if (!text) throw py::error_already_set();
  return text.cast<std::string>();
}

py::object install(const py::object& segment_dir, const OptionalText& redis_url, const py::object& workspace,
                   const OptionalText& precedence, const OptionalText& on_stale, const std::optional<bool>& complete,
                   const py::object& fallback) {
  Settings::Flags flags;
  const auto set = [&flags](Setting id, const OptionalText& value) {
    if (value) flags[id] = *value;
  };
  set(Setting::kSegmentDir, path_text(segment_dir));
  set(Setting::kRedisUrl, redis_url);
  set(Setting::kWorkspace, path_text(workspace));
  set(Setting::kPrecedence, precedence);
  set(Setting::kOnStale, on_stale);
  if (complete) flags[Setting::kComplete] = *complete ? "1" : "0";
  return hook().install(flags, fallback);
}

void warn_that_execution_is_stale(const View& view) {
  warn("bifrost: this execution imports from a stale mirror (generation " + std::to_string(view.generation().value) +
           "): " + view.why_not_mirror + "; Redis unreachable: " + view.why_not_redis +
           ". `bifrost-cachectl status` tells what to do",
       WarningAt::kCallerOfPublicFunction);
}

void warn_that_nothing_is_installed() {
  warn(
      "bifrost: imports of this execution do not come from the mirror, since the hook is not installed: call "
      "install_virtual_import_hook() first",
      WarningAt::kCallerOfPublicFunction);
}

// Looks at Python's modules, which a child of a fork pays for with a page each: only when something has changed.
bool is_current_in_sys_modules(ProcessState& state, const ExecutionStart& start) {
  const auto compared = state.loaded().version();
  forget_replaced_modules(state);
  const bool news = state.loaded().version() != compared;
  return start.same_scope && news && state.still_stands_in(*start.view);
}

ExecutionRequest request_of(const OptionalText& solution_id, bool global_repo_access, const OptionalRoots& roots,
                            bool fresh, double timeout) {
  ExecutionRequest request;
  request.scope = requested_scope(solution_id, global_repo_access, roots);
  request.fresh = fresh;
  request.timeout = duration_of(timeout);
  return request;
}

py::object begun(StartedExecution started) {
  hook().begun(py::cast(std::move(started)));
  return hook().execution();
}

py::object begun_while_disabled() {
  StartedExecution started;
  started.reason = "BIFROST_DISABLE=1 leaves all imports to others";
  return begun(std::move(started));
}

py::object current_execution() {
  return hook().execution();
}

py::object started_execution(ProcessState& state, const View& view, std::vector<std::string> evicted) {
  StartedExecution started;
  started.evicted = std::move(evicted);
  started.source = name_of(view.authority);
  started.reason = view.why_not_mirror;
  if (view.authority == Authority::kStale) started.reason += "; Redis unreachable: " + view.why_not_redis;
  started.shared = view.execution;
  started.deploying = view.deploying;
  started.scope = view.scope;
  if (view.authority != Authority::kRedis) started.generation = view.generation().value;
  py::object execution = begun(std::move(started));
  if (state.take_stale_notice()) {
    // What is loaded already may be what was compared with a stale mirror.
    const bool all_is_stale = view.authority == Authority::kStale;
    all_is_stale ? warn_that_execution_is_stale(view) : warn(kServedStale, WarningAt::kCallerOfPublicFunction);
  }
  return execution;
}

// The present execution is not intact beside what has outlived an eviction.
void look_for_outlived(ProcessState& state) {
  note_missed_and_back(state);
  if (const auto outlived = state.loaded().outlived()) state.note_from_before(outlived->module);
}

// Nor beside what is about to.
void say_what_is_from_before(ProcessState& state) {
  look_for_outlived(state);
  const auto running = RunningModules::instance().begun_before(state.loaded().times_forgotten());
  if (running) state.note_from_before(*running);
  warn_of_loss(state, WarningAt::kCallerOfPublicFunction);
}

py::object begin_execution(const OptionalText& solution_id, bool global_repo_access, const OptionalRoots& roots,
                           bool fresh, double timeout) {
  const ExecutionRequest request = request_of(solution_id, global_repo_access, roots, fresh, timeout);
  const auto state = hook().state();
  if (state == nullptr) return begun_while_disabled();
  if (hook().finder().is_none()) warn_that_nothing_is_installed();
  forget_what_was_only_asked(*state);
  look_for_outlived(*state);  // while what this one takes further is the present one
  const ExecutionStart start = state->begin(request);
  if (start.refused) refuse_another_scope(request.scope);
  std::vector<std::string> evicted;
  try {
    const bool changed = !start.loaded_is_current && !is_current_in_sys_modules(*state, start);
    if (changed || outlived_must_go(*state)) evicted = evict_loaded_modules(*state);
  } catch (py::error_already_set&) {
    state->take_back(start);
    throw;
  }
  py::object execution = started_execution(*state, *start.view, std::move(evicted));
  say_what_is_from_before(*state);
  return execution;
}

// The same for a process that has nothing to gain from evicting: None, and nothing evicted, when something has changed.
py::object begin_unless_changed(const std::vector<std::string>& roots) {
  const ExecutionRequest request = request_of(std::nullopt, false, roots, true, kDefaultTimeoutSeconds);
  const auto state = hook().state();
  if (state == nullptr) return begun_while_disabled();
  forget_what_was_only_asked(*state);
  const ExecutionStart start = state->begin(request);
  if (start.refused) refuse_another_scope(request.scope);
  if (!start.loaded_is_current || state->loaded().outlived()) {
    state->counters().add(ShimCounter::kTemplateOutdated);
    state->report();  // a process without anything to do ends without another chance
    return py::none();
  }
  state->counters().add(ShimCounter::kTemplateExecutions);
  state->loaded().keep_no_more();  // whoever begins another one here goes on as any process does
  return started_execution(*state, *start.view, {});
}

std::uint64_t wait_fresh(double timeout) {
  // Short enough to notice Ctrl-C, long enough for any fence.
  constexpr std::chrono::milliseconds kSlice{200};
  constexpr std::chrono::milliseconds kPause{10};
  const Deadline deadline(duration_of(timeout));
  const auto state = hook().state();
  std::string why;
  while (state != nullptr) {
    const auto generation = state->wait_fresh(Deadline::at(std::min(deadline.instant(), boot_now() + kSlice)));
    if (generation) return generation->value;
    // What the end of the time cuts off says less than the answer before.
    const bool cut_off = deadline.passed() && generation.error().code == ErrorCode::kTimeout;
    if (why.empty() || !cut_off) why = generation.error().message;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (deadline.passed()) break;
    const GilRelease release;
    std::this_thread::sleep_for(kPause);
  }
  if (state == nullptr) why = "bifrost_cache is disabled";
  PyErr_SetString(PyExc_TimeoutError, why.c_str());
  throw py::error_already_set();
}

std::map<std::string, LoadedModuleInfo> loaded() {
  std::map<std::string, LoadedModuleInfo> infos;
  const auto state = hook().state();
  if (state == nullptr) return infos;
  forget_replaced_modules(*state);
  for (const auto& [name, module] : state->loaded().all()) {
    if (module.is_namespace() || !loaded_module(name.c_str())) continue;
    const ModuleSource& source = module.found->source;
    infos[name] = {module.found->path->text(), source.hash, source.generation.value,
                   std::string(name_of(module.origin))};
  }
  return infos;
}

// What source_of() returns.
struct StoredSource {
  std::string path;
  std::string source;
  std::string hash;
  std::uint64_t generation = 0;
};

py::object source_of(const std::string& path) {
  const auto state = hook().state();
  if (state == nullptr) return py::none();
  const Resolution found = resolved_path(*state, path);
  if (!found.found()) return py::none();
  auto content = state->content_of(found);
  if (!content) {
    PyErr_SetString(PyExc_OSError, (path + " was replaced, and its version is no longer kept").c_str());
    throw py::error_already_set();
  }
  return py::cast(
      StoredSource{found.path->text(), std::move(*content), found.source.hash, found.source.generation.value});
}

py::object spec_of_path(const std::string& path) {
  const auto search = hook().search();
  if (search == nullptr) throw py::import_error("the import hook is not installed, or BIFROST_DISABLE=1 is set");
  return search->find_path(path);
}

py::dict stats() {
  py::dict values;
  const auto state = hook().state();
  if (state == nullptr) return values;
  for (std::size_t i = 0; i < kShimCounterInfo.size(); ++i) {
    values[py::str(kShimCounterInfo[i].name.data(), kShimCounterInfo[i].name.size())] =
        state->counters().get(static_cast<ShimCounter>(i));
  }
  const auto view = state->view();
  values["generation"] = view->generation().value;
  values["source"] = name_of(view->authority);
  return values;
}

// The arguments of install_virtual_import_hook() that make another process see what this one sees.
py::dict effective_settings() {
  py::dict values;
  const auto state = hook().state();
  if (state == nullptr) return values;
  for (const Setting id :
       {Setting::kSegmentDir, Setting::kRedisUrl, Setting::kWorkspace, Setting::kPrecedence, Setting::kOnStale}) {
    const std::string_view key = setting_info(id).key;
    values[py::str(key.data(), key.size())] = state->settings().get(id);
  }
  values["complete"] = state->settings().get(Setting::kComplete) != "0";
  if (!hook().fallback().is_none()) values["fallback"] = hook().fallback();
  return values;
}

// Children of a directory of the workspace: (name, kind), kind being "module", "package" or "namespace".
std::vector<std::pair<std::string, std::string>> list_directory(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> children;
  const auto state = hook().state();
  const auto directory = state ? state->storage_of(path) : std::nullopt;
  if (!directory) return children;
  const auto listed = state->list(std::string(*directory));
  if (!listed) {
    PyErr_SetString(PyExc_OSError, (path + " cannot be listed: " + listed.error().message).c_str());
    throw py::error_already_set();
  }
  for (const Child& child : *listed) {
    const char* kind = child.kind == layout::RecordKind::kModule    ? "module"
                       : child.kind == layout::RecordKind::kPackage ? "package"
                                                                    : "namespace";
    children.emplace_back(child.name, kind);
  }
  return children;
}

void bind_loader(py::module_& m) {
  // Tools that watch imports (ddtrace) set attributes of loaders, as they may of importlib's own.
  py::class_<VirtualModuleLoader> type(m, "VirtualModuleLoader", docstrings::kVirtualModuleLoader, py::dynamic_attr());
  add_loader_fast_methods(type);
  type.def("get_code", &VirtualModuleLoader::get_code, docstrings::kVirtualModuleLoaderGetCode,
           py::call_guard<Inside>(), py::arg("fullname") = py::none())
      .def("get_source", &VirtualModuleLoader::get_source, docstrings::kVirtualModuleLoaderGetSource,
           py::call_guard<Inside>(), py::arg("fullname") = py::none())
      .def("get_filename", &VirtualModuleLoader::get_filename, docstrings::kVirtualModuleLoaderGetFilename,
           py::call_guard<Inside>(), py::arg("fullname") = py::none())
      .def("is_package", &VirtualModuleLoader::is_package, docstrings::kVirtualModuleLoaderIsPackage,
           py::call_guard<Inside>(), py::arg("fullname") = py::none())
      .def("get_data", &VirtualModuleLoader::get_data, docstrings::kVirtualModuleLoaderGetData,
           py::call_guard<Inside>(), py::arg("path"))
      .def("get_resource_reader", &VirtualModuleLoader::get_resource_reader,
           docstrings::kVirtualModuleLoaderGetResourceReader, py::arg("fullname") = py::none())
      .def("__copy__", [](const py::object& self) { return self; })  // what it loads never changes
      .def("__deepcopy__", [](const py::object& self, const py::object&) { return self; })
      .def("__reduce__",
           [](const VirtualModuleLoader& self) {
             return py::make_tuple(py::module_::import("bifrost_cache._pickling").attr("loader_of"),
                                   py::make_tuple(self.name()));
           })
      .def_property_readonly("name", &VirtualModuleLoader::name, docstrings::kVirtualModuleLoaderName)
      .def_property_readonly("path", &VirtualModuleLoader::file, docstrings::kVirtualModuleLoaderPath)
      // As importlib's loader for files: specs compare their loaders.
      .def(
          "__eq__",
          [](const VirtualModuleLoader& a, const VirtualModuleLoader& b) {
            return a.name() == b.name() && a.file().equal(b.file());
          },
          py::is_operator())
      .def("__hash__",
           [](const VirtualModuleLoader& l) {
             return py::hash(l.file()) ^ static_cast<py::ssize_t>(std::hash<std::string>()(l.name()));
           })
      .def("__repr__",
           [](const VirtualModuleLoader& l) {
             return "<bifrost_cache.VirtualModuleLoader " + l.name() + " from " + std::string(l.file()) + ">";
           })
      .attr("__module__") = "bifrost_cache";
}

void bind_values(py::module_& m) {
  py::class_<StartedExecution>(m, "Execution", docstrings::kExecution)
      .def_readonly("generation", &StartedExecution::generation, docstrings::kExecutionGeneration)
      .def_readonly("source", &StartedExecution::source, docstrings::kExecutionSource)
      .def_readonly("reason", &StartedExecution::reason, docstrings::kExecutionReason)
      .def_readonly("evicted", &StartedExecution::evicted, docstrings::kExecutionEvicted)
      .def_property_readonly(
          "intact",
          [](const StartedExecution& e) {
            const auto state = hook().state();
            if (e.shared == nullptr || state == nullptr) return e.shared != nullptr && e.shared->intact();
            look_for_outlived(*state);
            return state->intact(*e.shared);
          },
          docstrings::kExecutionIntact)
      .def_readonly("deploying", &StartedExecution::deploying, docstrings::kExecutionDeploying)
      .def(
          "__enter__",
          [](py::object self) {
            const auto state = hook().state();
            const auto& started = self.cast<const StartedExecution&>();
            if (state == nullptr || started.shared == nullptr) return self;
            const Generation began_at{started.source == "shm" ? started.generation : 0};
            if (!state->enter(started.scope, started.shared, began_at)) refuse_another_scope(started.scope);
            return self;
          },
          docstrings::kExecutionEnter)
      .def(
          "__exit__",
          [](const StartedExecution& started, const py::args&) {
            const auto state = hook().state();
            if (state != nullptr && started.shared != nullptr) state->end(*started.shared);
          },
          docstrings::kExecutionExit)
      .def("__repr__",
           [](const StartedExecution& e) {
             const std::string reason = e.reason.empty() ? "" : ", reason=" + std::string(py::repr(py::cast(e.reason)));
             return "Execution(generation=" + std::to_string(e.generation) + ", source='" + e.source + "'" + reason +
                    ", evicted=" + std::string(py::repr(py::cast(e.evicted))) + ")";
           })
      .attr("__module__") = "bifrost_cache";
  py::class_<StoredSource>(m, "Source", docstrings::kSource)
      .def_readonly("path", &StoredSource::path, docstrings::kLoadedModulePath)
      .def_readonly("source", &StoredSource::source, docstrings::kSourceSource)
      .def_readonly("hash", &StoredSource::hash, docstrings::kLoadedModuleHash)
      .def_readonly("generation", &StoredSource::generation, docstrings::kLoadedModuleGeneration)
      .def("__repr__",
           [](const StoredSource& s) {
             return "Source(path='" + s.path + "', generation=" + std::to_string(s.generation) + ")";
           })
      .attr("__module__") = "bifrost_cache";
  py::class_<LoadedModuleInfo>(m, "LoadedModule", docstrings::kLoadedModule)
      .def_readonly("path", &LoadedModuleInfo::path, docstrings::kLoadedModulePath)
      .def_readonly("hash", &LoadedModuleInfo::hash, docstrings::kLoadedModuleHash)
      .def_readonly("generation", &LoadedModuleInfo::generation, docstrings::kLoadedModuleGeneration)
      .def_readonly("source", &LoadedModuleInfo::source, docstrings::kLoadedModuleSource)
      .def("__repr__",
           [](const LoadedModuleInfo& l) {
             return "LoadedModule(path='" + l.path + "', generation=" + std::to_string(l.generation) + ", source='" +
                    l.source + "')";
           })
      .attr("__module__") = "bifrost_cache";
}

// What may ask the host's fallback: about what is loaded, or about a path.

PyObject* begin_execution_called(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  const char* const names[] = {"solution_id", "global_repo_access", "roots", "fresh", "timeout"};
  const py::float_ timeout(kDefaultTimeoutSeconds);
  PyObject* values[] = {Py_None, Py_False, Py_None, Py_True, timeout.ptr()};
  if (!bind_arguments(names, values, arguments, count, keywords)) return nullptr;
  return guarded([&] {
    return begin_execution(py::handle(values[0]).cast<OptionalText>(), py::handle(values[1]).cast<bool>(),
                           py::handle(values[2]).cast<OptionalRoots>(), py::handle(values[3]).cast<bool>(),
                           py::handle(values[4]).cast<double>());
  });
}

// Of one argument.
template <class Argument, py::object (*function)(const Argument&)>
PyObject* called_with(PyObject*, PyObject* argument) {
  return guarded([&] { return function(py::handle(argument).cast<Argument>()); });
}

PyMethodDef functions_that_may_ask[] = {
    {"begin_execution", as_fastcall(&begin_execution_called), METH_FASTCALL | METH_KEYWORDS,
     docstrings::kBeginExecution},
    {"begin_unless_changed", &called_with<std::vector<std::string>, &begin_unless_changed>, METH_O,
     docstrings::kBeginUnlessChanged},
    {"source_of", &called_with<std::string, &source_of>, METH_O, docstrings::kSourceOf},
    {"spec_of_path", &called_with<std::string, &spec_of_path>, METH_O, docstrings::kSpecOfPath},
};

}  // namespace
}  // namespace bifrost

PYBIND11_MODULE(_shim, m) {
  using namespace bifrost;
  py::options options;
  options.disable_function_signatures();
  // Each is a call that the end of the interpreter waits for.
  const auto def = [&m](const char* name, auto function, auto... extra) {
    m.def(name, function, py::call_guard<Inside>(), extra...);
  };
  m.attr("__version__") = BIFROST_VERSION;
  bind_finder(m);
  bind_loader(m);
  bind_namespace_path(m);
  bind_namespace_loader(m);
  bind_path_entry(m);
  bind_missing_module(m);
  bind_values(m);
  def("install_virtual_import_hook", &install, docstrings::kInstallVirtualImportHook,
      py::arg("segment_dir") = py::none(), py::arg("redis_url") = py::none(), py::arg("workspace") = py::none(),
      py::arg("precedence") = py::none(), py::arg("on_stale") = py::none(), py::arg("complete") = py::none(),
      py::arg("fallback") = py::none());
  m.def("evictions", &evictions, docstrings::kEvictions);
  create_asked_host_variable();
  m.def("asked_host", &asked_host_variable, docstrings::kAskedHost);
  def(
      "remove_virtual_import_hook", [] { hook().remove(); }, docstrings::kRemoveVirtualImportHook);
  def(
      "get_virtual_finder", [] { return hook().finder(); }, docstrings::kGetVirtualFinder);
  def(
      "invalidate_module_index",
      [] {
        if (const auto state = hook().state()) state->move_to_newest();
      },
      docstrings::kInvalidateModuleIndex);
  for (PyMethodDef& function : functions_that_may_ask) add_fast_function(m, &function);
  bind_template_process(m);
  def("current_execution", &current_execution, docstrings::kCurrentExecution);
  def("wait_fresh", &wait_fresh, docstrings::kWaitFresh, py::arg("timeout"));
  def("loaded", &loaded, docstrings::kLoaded);
  def("stats", &stats, docstrings::kStats);
  def(
      "report",
      [] {
        if (const auto state = hook().state()) state->report();
      },
      docstrings::kReport);
  def("effective_settings", &effective_settings, docstrings::kEffectiveSettings);
  def("list_directory", &list_directory, docstrings::kListDirectory, py::arg("path"));
}
