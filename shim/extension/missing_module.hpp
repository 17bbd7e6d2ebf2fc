// missing_module.hpp - says why a module was not found.
//
// Stands at the end of sys.meta_path. When a real import gets that far with a name that could have been the
// workspace's, it raises the ModuleNotFoundError that Python would raise, with the reason in its text. It stays silent
// for everybody else: importlib.util.find_spec must answer None, and names of foreign packages get Python's own words.
// Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "shim/extension/module_search.hpp"

namespace bifrost {

namespace py = pybind11;

class MissingModuleFinder {
 public:
  explicit MissingModuleFinder(std::shared_ptr<const ModuleSearch> search) : search_(std::move(search)) {}

  // None, or ModuleNotFoundError. `self` is this object as Python knows it.
  py::object find_spec(const py::object& self, const py::object& fullname, const py::object& path) const;

 private:
  std::shared_ptr<const ModuleSearch> search_;
};

void bind_missing_module(py::module_& m);

}  // namespace bifrost
