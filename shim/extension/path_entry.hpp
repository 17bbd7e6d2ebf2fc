// path_entry.hpp - the workspace as an entry of sys.path: path hook and path entry finder.
//
// For whoever works by path instead of by name: pkgutil, runpy, PathFinder putting a namespace package together from
// portions on disk and in the workspace. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "shim/extension/module_search.hpp"

namespace bifrost {

namespace py = pybind11;

class WorkspacePathEntryFinder {
 public:
  // `directory` is in storage; "" is the workspace itself and means every root of the scope.
  WorkspacePathEntryFinder(std::shared_ptr<const ModuleSearch> search, std::string directory)
      : search_(std::move(search)), directory_(std::move(directory)) {}

  py::object find_spec(const py::object& fullname, const py::object& target) const;
  void invalidate_caches() const { search_->state()->forget_listings(); }

  // (name, is a package) of what can be imported from here. As for a directory on disk, a directory without
  // __init__.py is not listed.
  py::list iter_modules(const std::string& prefix) const;

  std::string path() const { return search_->state()->file_of(directory_); }

 private:
  std::vector<std::string> directories() const;
  // PathFinder has just been told by the meta path finder that this name is not ours.
  bool answered_a_moment_ago(const py::object& fullname, const std::vector<std::string>& places) const;

  const std::shared_ptr<const ModuleSearch> search_;
  const std::string directory_;
};

// What sys.path_hooks calls for each new entry of a path: a finder, or ImportError for entries outside the workspace.
// A function, as others are: tools ask for its name.
py::cpp_function workspace_path_hook(std::shared_ptr<const ModuleSearch> search);

void bind_path_entry(py::module_& m);

}  // namespace bifrost
