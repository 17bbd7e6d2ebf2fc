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

// The loader of a workspace module that LazyLoader made, until somebody uses that: its class says so, and Python 3.12
// and later say when that begins.
const VirtualModuleLoader* loader_of_unused(const py::object& entry) {
  if (!PyModule_Check(entry.ptr()) || PyModule_CheckExact(entry.ptr())) return nullptr;
  const py::dict globals = globals_of(entry);
  if (!globals.contains("__spec__") || !globals.contains("__loader__")) return nullptr;
  const py::object loader = globals["__loader__"];
  if (!py::isinstance<VirtualModuleLoader>(loader)) return nullptr;
  const py::object state = py::getattr(globals["__spec__"], "loader_state", py::none());
  const bool unused = py::isinstance<py::dict>(state) && !py::bool_(state.attr("get")("is_loading", false));
  return unused ? &loader.cast<const VirtualModuleLoader&>() : nullptr;
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

struct Unused {
  std::string name;  // in sys.modules
  py::object module;
  std::string found_as;
  std::shared_ptr<const Resolution> found;
};

// A list: who is asked whether they are still the same may import.
std::vector<Unused> unused_modules() {
  std::vector<Unused> unused;
  PyObject* name = nullptr;
  PyObject* module = nullptr;
  Py_ssize_t position = 0;
  while (PyDict_Next(PyImport_GetModuleDict(), &position, &name, &module) != 0) {
    const auto entry = py::reinterpret_borrow<py::object>(module);
    const VirtualModuleLoader* const loader = loader_of_unused(entry);
    const auto text = utf8_of(name);
    if (loader != nullptr && text) unused.push_back({std::string(*text), entry, loader->name(), loader->found()});
  }
  return unused;
}

}  // namespace

void forget_replaced_modules(ProcessState& state) {
  for (const auto& [name, module] : state.loaded().all()) {
    if (!is_still_ours(state, name, module)) state.loaded().remove(name);
  }
}

void forget_what_was_only_asked(ProcessState& state) {
  if (!state.loaded().none_run() || state.loaded().empty()) return;
  state.loaded().forget_asked();
  for (const Unused& unused : unused_modules()) state.loaded().note_found(unused.found_as, unused.found);
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
  state.loaded().forget_asked();
  for (const auto& [name, module, found_as, found] : unused_modules()) {
    if (state.finds_the_same(found_as, LoadedModule(found))) {
      state.loaded().note_found(found_as, found);  // nothing has been taken from it yet
      continue;
    }
    take_out(name, module);
    evicted.push_back(name);
  }
  state.counters().add(ShimCounter::kEvicted, evicted.size());
  return {evicted.rbegin(), evicted.rend()};
}

}  // namespace bifrost
