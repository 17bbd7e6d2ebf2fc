#include "shim/extension/namespace_path.hpp"

#include <algorithm>

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
    const Resolution found = state_->resolve({&directory, 1}, name_.substr(dot + 1), Asking::kStore);
    const bool answered = found.found() || found.kind == Resolution::Kind::kNotFound;
    if (!answered || looked_at(directory)) continue;
    if (found.kind == Resolution::Kind::kNamespace) {
      directories_.insert(directories_.end(), found.portions.begin(), found.portions.end());
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

void bind_namespace_path(py::module_& m) {
  py::class_<NamespacePath>(m, "NamespacePath", "The __path__ of a namespace package of the workspace.")
      .def("__iter__", [](NamespacePath& p) { return py::iter(p.entries()); })
      .def("__len__", [](NamespacePath& p) { return p.entries().size(); })
      .def("__getitem__", [](NamespacePath& p, const py::object& key) -> py::object { return p.entries()[key]; })
      .def("__contains__", [](NamespacePath& p, const py::object& entry) { return p.entries().contains(entry); })
      .def("__eq__", [](NamespacePath& p, const py::object& other) { return p.entries().equal(py::list(other)); })
      .def("__repr__", [](NamespacePath& p) { return "NamespacePath(" + std::string(py::repr(p.entries())) + ")"; })
      .def("append", &NamespacePath::append, py::arg("entry"))
      .attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
