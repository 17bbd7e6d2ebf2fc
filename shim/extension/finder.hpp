// finder.hpp - the meta path finder: is this import ours?
//
// Top-level names of the standard library are never ours. A dotted name is ours when its parent's __path__ leads into
// the workspace, and then only there. A miss costs one probe of the segment: no I/O, no import of anything.
// Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <vector>

#include "shim/extension/module_search.hpp"

namespace bifrost {

namespace py = pybind11;

// Where to look for a name.
struct SearchPlace {
  std::vector<std::string> directories;  // in storage
  std::string_view name;                 // its last part; points into the name asked for
};
// Nothing when the name cannot be the workspace's. `path` is the parent's __path__, None for a top-level name.
std::optional<SearchPlace> place_of(ProcessState& state, const py::object& fullname, const py::object& path);

class VirtualModuleFinder {
 public:
  // Without a search it never finds anything (BIFROST_DISABLE=1).
  explicit VirtualModuleFinder(std::shared_ptr<const ModuleSearch> search) : search_(std::move(search)) {}

  py::object find_spec(const py::object& fullname, const py::object& path) const;
  void invalidate_caches() const;

  void search_with(std::shared_ptr<const ModuleSearch> search) { search_ = std::move(search); }

 private:
  std::shared_ptr<const ModuleSearch> search_;
};

void bind_finder(py::module_& m);

}  // namespace bifrost
