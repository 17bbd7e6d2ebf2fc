// namespace_path.hpp - the __path__ of a namespace package of the workspace.
//
// The workspace's portions come first. Those known when the name was found cost nothing; a directory that the parent's
// path has gained since then is looked at once. Directories of the same name on disk are looked up only when somebody
// iterates, which importlib does for a child that the workspace does not have; anew each time, as sys.path may have
// changed. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

#include "shim/core/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

class NamespacePath {
 public:
  // `directories` are in storage.
  NamespacePath(std::shared_ptr<ProcessState> state, std::string name, std::vector<std::string> directories)
      : state_(std::move(state)), name_(std::move(name)), directories_(std::move(directories)) {
    for (const std::string& directory : directories_) {
      const auto slash = directory.rfind('/');
      parents_.push_back(slash == std::string::npos ? std::string() : directory.substr(0, slash));
    }
  }

  // Where in storage its children are looked for.
  std::vector<std::string> directories();

  // Every entry, those on disk and those appended included.
  py::list entries();
  void append(py::object entry) { appended_.append(std::move(entry)); }

 private:
  void add_directories_on_disk(py::list& entries) const;
  // The portions below directories that have come into the parent's path.
  void look_at_new_parents();

  const std::shared_ptr<ProcessState> state_;
  const std::string name_;
  std::vector<std::string> directories_;
  std::vector<std::string> parents_;  // the parent's directories that have been looked at
  py::list appended_;
};

// The directories in storage that a __path__ leads to. The workspace itself stands for the roots of the scope.
std::vector<std::string> directories_of(ProcessState& state, const py::object& path);

void bind_namespace_path(py::module_& m);

}  // namespace bifrost
