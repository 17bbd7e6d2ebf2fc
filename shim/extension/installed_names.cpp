#include "shim/extension/installed_names.hpp"

#include "shim/extension/finalisation.hpp"
#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

// PathFinder's spec has a loader unless it is a namespace's.
bool found_on_path(const py::object& fullname) {
  const py::str find_spec("find_spec");
  const py::object& finder = ImportlibObjects::get().path_finder;
  const auto spec = py::reinterpret_steal<py::object>(
      run_outside([&] { return PyObject_CallMethodObjArgs(finder.ptr(), find_spec.ptr(), fullname.ptr(), nullptr); }));
  if (!spec) PyErr_Clear();
  return spec && !spec.is_none() && !spec.attr("loader").is_none();
}

}  // namespace

bool InstalledNames::has(const py::object& fullname) {
  const std::string name(utf8_of(fullname).value_or(""));
  const auto known = known_.find(name);
  if (known != known_.end()) return known->second;
  const bool found = found_on_path(fullname);  // may come back here from another thread
  return known_.emplace(name, found).first->second;
}

}  // namespace bifrost
