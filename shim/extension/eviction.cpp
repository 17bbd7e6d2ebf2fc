#include "shim/extension/eviction.hpp"

#include <pybind11/pybind11.h>

#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/loader.hpp"
#include "shim/extension/namespace_path.hpp"
#include "shim/extension/source_lines.hpp"

namespace bifrost {
namespace {

// A module's namespace, without asking the module: it may answer every attribute.
py::dict globals_of(const py::object& module) {
  if (module && PyModule_Check(module.ptr())) return py::reinterpret_borrow<py::dict>(PyModule_GetDict(module.ptr()));
  return py::dict();
}

py::object entry_of(const std::string& name) {
  return loaded_module(name.c_str());
}

bool leads_into_workspace(const ProcessState& state, const py::object& path) {
  if (py::isinstance<NamespacePath>(path)) return true;
  for (const py::handle entry : path) {
    const auto text = utf8_of(entry);
    if (text && state.storage_of(*text)) return true;
  }
  return false;
}

bool is_from_another_loader(const py::dict& globals) {
  if (!globals.contains("__loader__")) return false;
  const py::object loader = globals["__loader__"];
  return !loader.is_none() && !py::isinstance<VirtualModuleLoader>(loader);
}

bool is_still_ours(const ProcessState& state, const std::string& name, const LoadedModule& module) {
  const py::object entry = entry_of(name);
  if (!entry) return true;  // or so it may be in a moment
  const py::dict globals = globals_of(entry);
  // A module may have put anything in its own place: an object, or a module that nobody loaded.
  if (!module.is_namespace()) return !is_from_another_loader(globals);
  // PathFinder may have taken a package on disk instead of the portion that was offered.
  return globals.contains("__path__") && leads_into_workspace(state, globals["__path__"]);
}

// LazyLoader's, until somebody uses it: its class says so, and Python 3.12 and later say when that begins.
bool is_unused(const py::object& entry) {
  if (!entry || !PyModule_Check(entry.ptr()) || PyModule_CheckExact(entry.ptr())) return false;
  const py::dict globals = globals_of(entry);
  if (!globals.contains("__spec__") || is_from_another_loader(globals)) return false;
  const py::object state = py::getattr(globals["__spec__"], "loader_state", py::none());
  return py::isinstance<py::dict>(state) && !py::bool_(state.attr("get")("is_loading", false));
}

void forget_in_parent(const std::string& name, const py::object& module) {
  const auto dot = name.rfind('.');
  if (dot == std::string::npos) return;
  const py::dict parent = globals_of(entry_of(name.substr(0, dot)));
  const py::str attribute(name.substr(dot + 1));
  if (parent.contains(attribute) && py::object(parent[attribute]).is(module))
    PyDict_DelItem(parent.ptr(), attribute.ptr());
}

void take_out(const std::string& name, const py::object& module) {
  forget_in_parent(name, module);
  if (PyDict_DelItemString(PyImport_GetModuleDict(), name.c_str()) != 0) PyErr_Clear();
}

}  // namespace

void forget_replaced_modules(ProcessState& state) {
  for (const auto& [name, module] : state.loaded().all()) {
    if (!is_still_ours(state, name, module)) state.loaded().remove(name);
  }
}

void forget_unmade_modules(ProcessState& state) {
  if (!state.loaded().none_run()) return;
  for (const auto& [name, module] : state.loaded().asked().found) {
    if (!entry_of(name)) state.loaded().forget_found(name);
  }
}

std::vector<std::string> evict_loaded_modules(ProcessState& state) {
  std::vector<std::string> evicted;
  const LoadedModules::Map loaded = state.loaded().all();
  // Children first, while their parents can still be found.
  for (auto it = loaded.rbegin(); it != loaded.rend(); ++it) {
    const auto& [name, module] = *it;
    const py::object entry = entry_of(name);
    if (!entry) {
      state.loaded().miss(name);
      continue;
    }
    state.loaded().remove(name);
    take_out(name, entry);
    if (!module.is_namespace()) forget_lines_of(py::str(state.file_of(module.found->path->text())));
    evicted.push_back(name);
  }
  const auto found = state.loaded().asked().found;
  state.loaded().forget_asked();
  for (const auto& [name, module] : found) {
    const py::object entry = entry_of(name);
    if (!is_unused(entry)) continue;
    if (state.finds_the_same(name, module)) {
      state.loaded().note_found(name, module.found);  // nothing has been taken from it yet
      continue;
    }
    take_out(name, entry);
    evicted.push_back(name);
  }
  state.counters().add(ShimCounter::kEvicted, evicted.size());
  return {evicted.rbegin(), evicted.rend()};
}

}  // namespace bifrost
