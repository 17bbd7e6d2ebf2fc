// installed_names.hpp - whether a top-level name is that of an installed package or module.
//
// A directory of the workspace that is no package is a namespace portion, and Python's own rule for those holds: a
// regular package or module of the name wins, wherever on sys.path it is. So the disk is searched, once per name and
// process, and only for names that are such directories. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <unordered_map>

namespace bifrost {

namespace py = pybind11;

class InstalledNames {
 public:
  // Errors of finders on the way count as "no": they come again when the import goes on.
  bool has(const py::object& fullname);
  // sys.path may lead elsewhere by now.
  void forget() { known_.clear(); }

 private:
  std::unordered_map<std::string, bool> known_;  // bounded by the workspace's top-level directories
};

}  // namespace bifrost
