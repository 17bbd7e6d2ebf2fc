#include "shim/namespace_path.hpp"

#include "shim/importlib_objects.hpp"

namespace bifrost {

py::list NamespacePath::entries() const {
  py::list entries;
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
  // A module or regular package of that name on disk stays hidden behind the workspace.
  if (spec.is_none() || !spec.attr("loader").is_none()) return;
  for (const py::handle entry : spec.attr("submodule_search_locations")) entries.append(entry);
}

void bind_namespace_path(py::module_& m) {
  py::class_<NamespacePath>(m, "NamespacePath", "The __path__ of a namespace package of the workspace.")
      .def("__iter__", [](const NamespacePath& p) { return py::iter(p.entries()); })
      .def("__len__", [](const NamespacePath& p) { return p.entries().size(); })
      .def("__getitem__", [](const NamespacePath& p, const py::object& key) -> py::object { return p.entries()[key]; })
      .def("__contains__", [](const NamespacePath& p, const py::object& entry) { return p.entries().contains(entry); })
      .def("__eq__", [](const NamespacePath& p, const py::object& other) { return p.entries().equal(py::list(other)); })
      .def("__repr__",
           [](const NamespacePath& p) { return "NamespacePath(" + std::string(py::repr(p.entries())) + ")"; })
      .def("append", &NamespacePath::append, py::arg("entry"))
      .attr("__module__") = "bifrost_cache";
}

}  // namespace bifrost
