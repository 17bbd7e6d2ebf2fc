#include "shim/extension/eviction.hpp"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <unordered_set>
#include <utility>

#include "shim/extension/importlib_objects.hpp"
#include "shim/extension/loader.hpp"
#include "shim/extension/namespace_path.hpp"
#include "shim/extension/running_modules.hpp"
#include "shim/extension/source_lines.hpp"

namespace bifrost {
namespace {

std::uint64_t times_evicted = 0;  // with the GIL

constexpr std::chrono::seconds kLongestOutlived{1};

// A module's namespace, without asking the module: it may answer every attribute.
py::dict globals_of(const py::object& module) {
  if (module && PyModule_Check(module.ptr())) return py::reinterpret_borrow<py::dict>(PyModule_GetDict(module.ptr()));
  return py::dict();
}

py::object entry_of(const std::string& name) {
  return loaded_module(name.c_str());
}

std::string_view parent_of(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

bool leads_into_workspace(const ProcessState& state, const py::object& path) {
  if (py::isinstance<NamespacePath>(path)) return true;
  const auto entries = py::reinterpret_steal<py::object>(PySequence_List(path.ptr()));
  if (!entries) PyErr_Clear();  // a module may have put anything there
  for (Py_ssize_t i = 0; entries && i < PyList_GET_SIZE(entries.ptr()); ++i) {
    const auto text = utf8_of(PyList_GET_ITEM(entries.ptr(), i));
    if (text && state.storage_of(*text)) return true;
  }
  return false;
}

// An entry of sys.modules, looked at without running Python code and without a reference, for which a child of a fork
// would pay with a page each.
class Look {
 public:
  explicit Look(PyObject* entry) : globals_(PyModule_Check(entry) ? PyModule_GetDict(entry) : nullptr) {}

  // It ran here: our loader has left its mark, whatever stands around that loader.
  bool ran_here() const { return global(ImportlibObjects::get().content_hash) != nullptr; }
  bool has_loader() const {
    PyObject* const loader = global(ImportlibObjects::get().dunder_loader);
    return loader != nullptr && loader != Py_None;
  }
  bool has_our_loader() const {
    static const PyObject* const ours = py::type::of<VirtualModuleLoader>().ptr();
    return has_loader() && reinterpret_cast<PyObject*>(Py_TYPE(global(ImportlibObjects::get().dunder_loader))) == ours;
  }
  bool has_foreign_loader() const { return has_loader() && !has_our_loader(); }
  // Whether an import of `key` has made it. A module may give itself another `__name__`.
  bool is_made_for(PyObject* key) const {
    PyObject* const spec = global(ImportlibObjects::get().dunder_spec);
    if (spec == nullptr || Py_TYPE(spec)->tp_getattro != PyObject_GenericGetAttr) return false;
    const auto name = py::reinterpret_steal<py::object>(PyObject_GetAttr(spec, ImportlibObjects::get().name.ptr()));
    if (!name) PyErr_Clear();
    return name && PyUnicode_CheckExact(name.ptr()) && PyUnicode_CheckExact(key) &&
           PyUnicode_Compare(name.ptr(), key) == 0;
  }

 private:
  PyObject* global(const py::str& name) const {
    return globals_ == nullptr ? nullptr : PyDict_GetItem(globals_, name.ptr());  // an error counts as nothing
  }

  PyObject* globals_;
};

bool is_still_ours(const ProcessState& state, const std::string& name, const LoadedModule& module) {
  const py::object entry = entry_of(name);
  if (!entry) return true;  // or so it may be in a moment
  if (module.is_namespace()) {
    // PathFinder may have taken a package on disk instead of the portion that was offered.
    const py::dict globals = globals_of(entry);
    return globals.contains("__path__") && leads_into_workspace(state, globals["__path__"]);
  }
  const Look look(entry.ptr());
  return look.ran_here() || entry.ptr() == module.put_in_place || !look.has_foreign_loader();
}

// What LazyLoader made and nobody has used: its class says so, and Python 3.12 and later say when that begins.
bool is_unused(const py::object& module) {
  if (PyModule_CheckExact(module.ptr())) return false;
  const py::dict globals = globals_of(module);
  if (!globals.contains("__spec__")) return false;
  const py::object state = py::getattr(globals["__spec__"], "loader_state", py::none());
  return PyDict_CheckExact(state.ptr()) != 0 && PyDict_GetItemString(state.ptr(), "is_loading") != Py_True;
}

const VirtualModuleLoader& loader_of(const py::object& module) {
  return globals_of(module)["__loader__"].cast<const VirtualModuleLoader&>();
}

struct Entry {
  py::object key;
  std::string name;  // "": no text
  py::object module;
};

// The entries of sys.modules that have come from the workspace beside those that stand under their own names.
struct Others {
  std::vector<Entry> doomed;      // second names, and what packages have registered below themselves
  std::vector<Entry> lazy;        // perhaps unused
  std::set<std::string> on_disk;  // submodules of workspace packages that are not the workspace's: these stay
};

class Search {
 public:
  explicit Search(const LoadedModules::Map& loaded) : loaded_(loaded) {
    for (const auto& [name, module] : loaded) {
      const py::object entry = entry_of(name);
      if (!entry) continue;
      const Look look(entry.ptr());
      if (module.is_namespace()) namespaces_.insert(entry.ptr());
      if (!module.is_namespace() && !look.ran_here() && look.has_foreign_loader()) replaced_.insert(name);
    }
  }

  Others find() const {
    Others others;
    PyObject* key = nullptr;
    PyObject* entry = nullptr;
    Py_ssize_t position = 0;
    while (PyDict_Next(PyImport_GetModuleDict(), &position, &key, &entry) != 0) {
      if (entry != Py_None) look_at(key, entry, others);  // None: an import that somebody has blocked
    }
    return others;
  }

 private:
  void look_at(PyObject* key, PyObject* entry, Others& others) const {
    const Look look(entry);
    const std::string_view name = utf8_of(key).value_or("");
    const bool loaded_here = look.ran_here() || namespaces_.contains(entry);
    const bool ours = loaded_here || look.has_our_loader();
    // Most are somebody else's: nothing more is asked of these.
    if (!ours && (name.find('.') == std::string_view::npos || !loaded_.contains(name.substr(0, name.find('.')))))
      return;
    if (loaded_.contains(name) || name == "__main__" || name == "__mp_main__") return;
    const auto kept = [&] {
      return Entry{py::reinterpret_borrow<py::object>(key), std::string(name),
                   py::reinterpret_borrow<py::object>(entry)};
    };
    if (loaded_here) {
      if (!RunningModules::instance().contains(entry)) others.doomed.push_back(kept());
      return;
    }
    if (look.has_our_loader()) {
      if (!PyModule_CheckExact(entry)) others.lazy.push_back(kept());
      return;
    }
    const auto package = nearest_package(name);
    if (package == loaded_.end()) return;
    // Whose an object is that no import has made, nobody can tell. What is a module goes with the package that it is
    // below; a namespace may be somebody else's, too.
    const bool in_namespace = package->second.is_namespace();
    const bool is_module = in_namespace ? PyModule_CheckExact(entry) : PyModule_Check(entry);
    const bool registered = look.has_loader() ? !look.is_made_for(key) : is_module;
    if (!in_namespace && (registered || replaced_.contains(package->first))) {
      others.doomed.push_back(kept());
    } else if (!registered && parent_of(name) == package->first) {
      others.on_disk.emplace(name);
    }
  }

  // Of the workspace; the end of loaded_ when the nearest package that is loaded is somebody else's.
  LoadedModules::Map::const_iterator nearest_package(std::string_view name) const {
    for (name = parent_of(name); !name.empty(); name = parent_of(name)) {
      if (const auto package = loaded_.find(name); package != loaded_.end()) return package;
      if (entry_of(std::string(name))) break;
    }
    return loaded_.end();
  }

  const LoadedModules::Map& loaded_;
  std::unordered_set<const PyObject*> namespaces_;
  std::set<std::string, std::less<>> replaced_;  // names under which something else stands than what ran
};

// Those that an earlier eviction left behind, and whose package has not been loaded since, stay in mind.
void leave_behind(LoadedModules& loaded, std::set<std::string> on_disk) {
  for (const std::string& name : loaded.left_behind()) {
    if (entry_of(name) && !entry_of(std::string(parent_of(name)))) on_disk.insert(name);
  }
  loaded.leave_behind(std::move(on_disk));
}

using Names = std::set<std::string, std::less<>>;

void forget_in_parent(const std::string& name, const py::object& module, const Names& leaving) {
  const std::string parent_name(parent_of(name));
  if (parent_name.empty() || leaving.contains(parent_name)) return;
  const py::dict parent = globals_of(entry_of(parent_name));
  const py::str attribute(name.substr(parent_name.size() + 1));
  if (parent.contains(attribute) && py::object(parent[attribute]).is(module))
    PyDict_DelItem(parent.ptr(), attribute.ptr());
}

void take_out(const Entry& entry, const Names& leaving) {
  forget_in_parent(entry.name, entry.module, leaving);
  if (PyDict_DelItem(PyImport_GetModuleDict(), entry.key.ptr()) != 0) PyErr_Clear();
}

}  // namespace

void forget_replaced_modules(ProcessState& state) {
  for (const auto& [name, module] : state.loaded().all()) {
    if (!is_still_ours(state, name, module)) state.loaded().note_replaced(name);
  }
}

void forget_what_was_only_asked(ProcessState& state) {
  LoadedModules& loaded = state.loaded();
  const bool taken = !loaded.none_run() || !RunningModules::instance().empty() || state.any_entered();
  if (taken || loaded.empty() || !loaded.has_news()) return;
  loaded.forget_asked();
  for (const Entry& lazy : Search({}).find().lazy) {
    if (is_unused(lazy.module)) loaded.note_found(loader_of(lazy.module).name(), loader_of(lazy.module).found());
  }
  static_cast<void>(loaded.has_news());
}

void note_missed_and_back(ProcessState& state) {
  for (const auto& [name, module] : state.loaded().missed()) {
    const py::object entry = entry_of(name);
    if (!entry || RunningModules::instance().contains(entry.ptr())) continue;
    if (Look(entry.ptr()).ran_here() || entry.ptr() == module.put_in_place) state.loaded().note_outlived(name);
  }
}

bool outlived_must_go(ProcessState& state) {
  const auto outlived = state.loaded().outlived();
  return outlived && (RunningModules::instance().empty() || boot_now() >= outlived->since + kLongestOutlived);
}

std::vector<std::string> evict_loaded_modules(ProcessState& state) {
  Others others = Search(state.loaded().all()).find();
  std::vector<Entry> doomed = std::move(others.doomed);
  // Before anything changes: who is asked may be interrupted.
  std::vector<Entry> unused;
  for (Entry& lazy : others.lazy) {
    if (!is_unused(lazy.module)) continue;
    const VirtualModuleLoader& loader = loader_of(lazy.module);
    const bool same = state.finds_the_same(loader.name(), LoadedModule(loader.found()));
    (same ? unused : doomed).push_back(std::move(lazy));
  }
  // From here to the last step no other thread runs. All that has run by now goes; what has not is told by that step.
  for (const auto& [name, module] : state.loaded().all()) {
    py::object entry = entry_of(name);
    if (!entry) {
      state.loaded().miss(name);
      continue;
    }
    state.loaded().remove(name);
    if (RunningModules::instance().contains(entry.ptr())) continue;  // once more: it is added when it has run
    if (!module.is_namespace()) forget_lines_of(py::str(state.file_of(module.found->path->text())));
    doomed.push_back({py::str(name), name, std::move(entry)});
  }
  state.loaded().forget_asked();
  for (const Entry& lazy : unused) {  // nothing has been taken from these yet
    state.loaded().note_found(loader_of(lazy.module).name(), loader_of(lazy.module).found());
  }
  // Children first, while their parents can still be found.
  std::ranges::sort(doomed, std::greater<>(), &Entry::name);
  Names leaving;
  for (const Entry& entry : doomed) leaving.insert(entry.name);
  std::vector<std::string> evicted;
  for (const Entry& entry : doomed) {
    take_out(entry, leaving);
    if (entry.name.empty()) continue;
    forget_file_of(entry.name);
    evicted.push_back(entry.name);
  }
  leave_behind(state.loaded(), std::move(others.on_disk));
  state.counters().add(ShimCounter::kEvicted, evicted.size());
  if (!evicted.empty()) ++times_evicted;
  return {evicted.rbegin(), evicted.rend()};
}

std::uint64_t evictions() {
  return times_evicted;
}

}  // namespace bifrost
