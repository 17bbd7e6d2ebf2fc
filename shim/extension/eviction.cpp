#include "shim/extension/eviction.hpp"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

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

std::string parent_of(const std::string& name) {
  const auto dot = name.rfind('.');
  return dot == std::string::npos ? std::string() : name.substr(0, dot);
}

bool leads_into_workspace(const ProcessState& state, const py::object& path) {
  if (py::isinstance<NamespacePath>(path)) return true;
  for (const py::handle entry : path) {
    const auto text = utf8_of(entry);
    if (text && state.storage_of(*text)) return true;
  }
  return false;
}

// Who says that it has loaded an entry of sys.modules. Runs no Python code and takes no reference, which a child of a
// fork would pay for with a page each.
enum class LoadedBy { kNobody, kUs, kOthers };
LoadedBy loader_of(PyObject* entry) {
  static PyTypeObject* const ours = reinterpret_cast<PyTypeObject*>(py::type::of<VirtualModuleLoader>().ptr());
  if (!PyModule_Check(entry)) return LoadedBy::kNobody;
  PyObject* const loader =
      PyDict_GetItem(PyModule_GetDict(entry), ImportlibObjects::get().dunder_loader.ptr());  // suppresses errors
  if (loader == nullptr || loader == Py_None) return LoadedBy::kNobody;
  return Py_TYPE(loader) == ours ? LoadedBy::kUs : LoadedBy::kOthers;
}

bool is_still_ours(const ProcessState& state, const std::string& name, const LoadedModule& module) {
  const py::object entry = entry_of(name);
  if (!entry) return true;  // or so it may be in a moment
  if (module.is_namespace()) {
    // PathFinder may have taken a package on disk instead of the portion that was offered.
    const py::dict globals = globals_of(entry);
    return globals.contains("__path__") && leads_into_workspace(state, globals["__path__"]);
  }
  // A module may have put anything in its own place, somebody else's module among it, and any loader around ours.
  return entry.ptr() == module.left || entry.ptr() == module.ran || loader_of(entry.ptr()) != LoadedBy::kOthers;
}

// What is to be taken out of sys.modules.
struct Doomed {
  py::object key;
  std::string name;
  py::object entry;
};

py::object loading_state_of(const py::dict& globals, const char* attribute) {
  return globals.contains("__spec__") ? py::object(py::getattr(globals["__spec__"], attribute, py::none()))
                                      : py::none();
}

// What LazyLoader made and nobody has used: its class says so, and Python 3.12 and later say when that begins.
bool is_unused(const py::object& module) {
  if (PyModule_CheckExact(module.ptr())) return false;
  const py::object state = loading_state_of(globals_of(module), "loader_state");
  return PyDict_CheckExact(state.ptr()) != 0 && PyDict_GetItemString(state.ptr(), "is_loading") != Py_True;
}

bool is_being_loaded(const py::object& module) {
  return loading_state_of(globals_of(module), "_initializing").ptr() == Py_True;
}

// The entries of sys.modules that belong to the workspace beside those that were loaded under their own names: second
// names, what LazyLoader made, what a package has registered below itself. And the submodules on disk of its packages.
struct Others {
  std::vector<Doomed> found_by_us;  // perhaps still unused, or on the way
  std::vector<Doomed> made_by_modules;
  std::set<std::string> on_disk;  // names; their parent is the workspace's
};

Others other_entries(const LoadedModules::Map& loaded) {
  std::unordered_set<const PyObject*> modules;
  for (const auto& [name, module] : loaded) {
    const py::object entry = entry_of(name);
    if (entry && (module.is_namespace() || entry.ptr() == module.ran)) modules.insert(entry.ptr());
  }
  const auto lies_below_a_loaded_one = [&loaded](std::string_view name) {
    for (auto dot = name.rfind('.'); dot != std::string_view::npos; dot = name.rfind('.')) {
      name = name.substr(0, dot);
      if (loaded.contains(name)) return true;
    }
    return false;
  };
  Others others;
  PyObject* key = nullptr;
  PyObject* entry = nullptr;
  Py_ssize_t position = 0;
  while (PyDict_Next(PyImport_GetModuleDict(), &position, &key, &entry) != 0) {
    const std::string name(utf8_of(key).value_or(""));
    if (loaded.contains(name) || name == "__main__" || name == "__mp_main__") continue;
    const auto doomed = [&] {
      return Doomed{py::reinterpret_borrow<py::object>(key), name, py::reinterpret_borrow<py::object>(entry)};
    };
    const LoadedBy by = loader_of(entry);
    if (modules.contains(entry)) {
      others.made_by_modules.push_back(doomed());
    } else if (by == LoadedBy::kUs) {
      others.found_by_us.push_back(doomed());
    } else if (by == LoadedBy::kNobody && lies_below_a_loaded_one(name)) {
      others.made_by_modules.push_back(doomed());
    } else if (by == LoadedBy::kOthers && loaded.contains(parent_of(name))) {
      others.on_disk.insert(name);
    }
  }
  return others;
}

// A namespace of which the part on disk stays loaded: it leads to what its name means by now, and stays itself.
bool stays_as_namespace(ProcessState& state, const std::string& name, const LoadedModule& module,
                        const py::object& entry) {
  const py::dict globals = globals_of(entry);
  if (!module.is_namespace() || !globals.contains("__path__")) return false;
  const py::object path = globals["__path__"];
  if (!py::isinstance<NamespacePath>(path)) return false;
  Resolution now = state.find_again(name, module);
  if (now.kind != Resolution::Kind::kNamespace) return false;
  path.cast<NamespacePath&>().lead_to(now.portions);
  state.loaded().add(name, LoadedModule(std::make_shared<const Resolution>(std::move(now))));
  return true;
}

void forget_in_parent(const std::string& name, const py::object& module) {
  if (name.find('.') == std::string::npos) return;
  const py::dict parent = globals_of(entry_of(parent_of(name)));
  const py::str attribute(name.substr(name.rfind('.') + 1));
  if (parent.contains(attribute) && py::object(parent[attribute]).is(module))
    PyDict_DelItem(parent.ptr(), attribute.ptr());
}

void take_out(const Doomed& doomed) {
  forget_in_parent(doomed.name, doomed.entry);
  if (PyDict_DelItem(PyImport_GetModuleDict(), doomed.key.ptr()) != 0) PyErr_Clear();
}

}  // namespace

void forget_replaced_modules(ProcessState& state) {
  for (const auto& [name, module] : state.loaded().all()) {
    if (!is_still_ours(state, name, module)) state.loaded().remove(name);
  }
}

void forget_what_was_only_asked(ProcessState& state) {
  LoadedModules& loaded = state.loaded();
  if (!loaded.none_run() || loaded.empty() || !loaded.has_news()) return;
  loaded.forget_asked();
  for (const Doomed& module : other_entries({}).found_by_us) {
    if (!is_unused(module.entry)) continue;
    const auto& loader = globals_of(module.entry)["__loader__"].cast<const VirtualModuleLoader&>();
    loaded.note_found(loader.name(), loader.found());
  }
  static_cast<void>(loaded.has_news());
}

std::vector<std::string> evict_loaded_modules(ProcessState& state) {
  const LoadedModules::Map loaded = state.loaded().all();
  Others others = other_entries(loaded);
  std::vector<Doomed> doomed = std::move(others.made_by_modules);
  // Children first, while their parents can still be found.
  for (auto it = loaded.rbegin(); it != loaded.rend(); ++it) {
    const auto& [name, module] = *it;
    py::object entry = entry_of(name);
    if (!entry) {
      state.loaded().miss(name);
      continue;
    }
    const auto first_below = others.on_disk.lower_bound(name + ".");
    const bool has_part_on_disk = first_below != others.on_disk.end() && first_below->starts_with(name + ".");
    if (has_part_on_disk && stays_as_namespace(state, name, module, entry)) {
      others.on_disk.insert(name);
      continue;
    }
    state.loaded().remove(name);
    if (!module.is_namespace()) forget_lines_of(py::str(state.file_of(module.found->path->text())));
    doomed.push_back({py::str(name), name, std::move(entry)});
  }
  for (const std::string& name : others.on_disk) state.loaded().note_left_behind(name);
  state.loaded().forget_asked();
  for (Doomed& module : others.found_by_us) {
    const auto& loader = globals_of(module.entry)["__loader__"].cast<const VirtualModuleLoader&>();
    if (is_being_loaded(module.entry)) continue;
    if (is_unused(module.entry) && state.finds_the_same(loader.name(), LoadedModule(loader.found()))) {
      state.loaded().note_found(loader.name(), loader.found());  // nothing has been taken from it yet
      continue;
    }
    doomed.push_back(std::move(module));
  }
  std::ranges::sort(doomed, std::greater<>(), &Doomed::name);
  std::vector<std::string> evicted;
  for (const Doomed& module : doomed) {
    take_out(module);
    if (!module.name.empty()) evicted.push_back(module.name);  // else no text
  }
  state.counters().add(ShimCounter::kEvicted, evicted.size());
  return {evicted.rbegin(), evicted.rend()};
}

}  // namespace bifrost
