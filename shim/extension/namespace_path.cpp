#include "shim/extension/namespace_path.hpp"

#include <algorithm>

#include "shim/extension/fast_method.hpp"
#include "shim/extension/importlib_objects.hpp"

namespace bifrost {

std::vector<std::string> directories_of(ProcessState& state, const py::object& path) {
  if (py::isinstance<NamespacePath>(path)) return path.cast<NamespacePath&>().directories();
  std::vector<std::string> directories;
  const auto add = [&](py::handle entry) {
    const auto text = utf8_of(entry);
    const auto directory = text ? state.storage_of(*text) : std::nullopt;
    if (!directory) return;
    if (!directory->empty()) {
      directories.emplace_back(*directory);
      return;
    }
    const Scope scope = state.scope();
    directories.insert(directories.end(), scope.roots().begin(), scope.roots().end());
  };
  if (PyList_Check(path.ptr())) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(path.ptr()); ++i) add(PyList_GET_ITEM(path.ptr(), i));
  } else {
    for (const py::handle entry : path) add(entry);
  }
  return directories;
}

std::vector<std::string> NamespacePath::directories() {
  look_at_new_parents();
  std::vector<std::string> all = directories_;
  for (std::string& appended : directories_of(*state_, appended_)) all.push_back(std::move(appended));
  return all;
}

void NamespacePath::look_at_new_parents() {
  const auto dot = name_.rfind('.');
  const py::object parent = dot == std::string::npos ? py::object() : loaded_module(name_.substr(0, dot).c_str());
  if (!parent) return;
  const py::object path = py::getattr(parent, ImportlibObjects::get().dunder_path, py::none());
  if (path.is_none()) return;
  const auto looked_at = [&](const std::string& directory) {
    return std::find(parents_.begin(), parents_.end(), directory) != parents_.end();
  };
  for (std::string& directory : directories_of(*state_, path)) {
    if (looked_at(directory)) continue;
    // Others may look at it meanwhile. Who gets no answer has not seen it.
    Resolution found = state_->resolve({&directory, 1}, name_.substr(dot + 1), Asking::kStore);
    const bool answered = found.found() || found.kind == Resolution::Kind::kNotFound;
    if (!answered || looked_at(directory)) continue;
    if (found.kind == Resolution::Kind::kNamespace) {
      directories_.insert(directories_.end(), found.portions.begin(), found.portions.end());
    }
    if (found.found()) {
      found.searched = {directory};
      state_->loaded().note_found(name_, std::make_shared<const Resolution>(std::move(found)));
    }
    parents_.push_back(std::move(directory));
  }
}

py::list NamespacePath::entries() {
  py::list entries;
  look_at_new_parents();
  for (const std::string& directory : directories_) entries.append(state_->file_of(directory));
  for (const py::handle entry : appended_) entries.append(entry);
  add_directories_on_disk(entries);
  return entries;
}

void NamespacePath::add_directories_on_disk(py::list& entries) const {
  const ImportlibObjects& python = ImportlibObjects::get();
  const auto dot = name_.rfind('.');
  py::object parent_path;
  if (dot == std::string::npos) {
    parent_path = py::reinterpret_borrow<py::object>(PySys_GetObject("path"));
  } else if (const py::object parent = loaded_module(name_.substr(0, dot).c_str())) {
    parent_path = py::getattr(parent, python.dunder_path, py::none());
  }
  if (!parent_path || parent_path.is_none()) return;
  py::list on_disk;
  for (const py::handle entry : parent_path) {
    const auto text = utf8_of(entry);
    if (text && !state_->storage_of(*text)) on_disk.append(entry);
  }
  const py::object spec = python.path_finder.attr("find_spec")(name_, on_disk);
  // Only directories are portions. A module or regular package wins over a namespace where the name is imported: it has
  // come since, or this one would not be.
  if (spec.is_none() || !spec.attr("loader").is_none()) return;
  for (const py::handle entry : spec.attr("submodule_search_locations")) entries.append(entry);
}

namespace {

// What a list of the entries says.
template <py::object (*answer)(const py::list& entries, const py::object& argument)>
PyObject* of_entries(PyObject* self, PyObject* argument) {
  return guarded([&] {
    return answer(bound_instance<NamespacePath>(self).entries(), py::reinterpret_borrow<py::object>(argument));
  });
}

py::object iterated(const py::list& entries, const py::object&) {
  return py::iter(entries);
}
py::object counted(const py::list& entries, const py::object&) {
  return py::int_(entries.size());
}
py::object item_of(const py::list& entries, const py::object& key) {
  return entries[key];
}
py::object held(const py::list& entries, const py::object& entry) {
  return py::bool_(entries.contains(entry));
}
py::object shown(const py::list& entries, const py::object&) {
  return py::str("NamespacePath(" + std::string(py::repr(entries)) + ")");
}

PyMethodDef path_methods[] = {
    {"__iter__", &of_entries<&iterated>, METH_NOARGS, nullptr},
    {"__len__", &of_entries<&counted>, METH_NOARGS, nullptr},
    {"__getitem__", &of_entries<&item_of>, METH_O, nullptr},
    {"__contains__", &of_entries<&held>, METH_O, nullptr},
    {"__repr__", &of_entries<&shown>, METH_NOARGS, nullptr},
};

}  // namespace

void bind_namespace_path(py::module_& m) {
  py::class_<NamespacePath> type(m, "NamespacePath", "The __path__ of a namespace package of the workspace.");
  for (PyMethodDef& method : path_methods) add_fast_method(type, &method);
  type.def("append", &NamespacePath::append, py::arg("entry")).attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
