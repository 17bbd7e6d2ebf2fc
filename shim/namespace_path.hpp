// namespace_path.hpp - the __path__ of a namespace package of the workspace.
//
// The workspace's portions come first and cost nothing. Directories of the same name on disk are looked up only when
// somebody iterates, which importlib does for a child that the workspace does not have. They are looked up anew each
// time, as sys.path may have changed. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

#include "shim/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

class NamespacePath {
 public:
  // `directories` are in storage.
  NamespacePath(std::shared_ptr<ProcessState> state, std::string name, std::vector<std::string> directories)
      : state_(std::move(state)), name_(std::move(name)), directories_(std::move(directories)) {}

  const std::vector<std::string>& directories() const { return directories_; }

  // Every entry, those on disk and those appended included.
  py::list entries() const;
  void append(py::object entry) { appended_.append(std::move(entry)); }

 private:
  void add_directories_on_disk(py::list& entries) const;

  const std::shared_ptr<ProcessState> state_;
  const std::string name_;
  const std::vector<std::string> directories_;
  py::list appended_;
};

void bind_namespace_path(py::module_& m);

}  // namespace bifrost
