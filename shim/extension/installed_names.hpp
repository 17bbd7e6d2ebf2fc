// installed_names.hpp - whether a top-level name is that of an installed package or module.
//
// A directory of the workspace that is no package is a namespace portion, and Python's own rule for those holds: a
// regular package or module of the name wins, wherever on sys.path it is. And what is installed is never asked of the
// platform's store. So the disk is searched, once per name and process, and only for names that are such directories,
// or that Redis lacks where it does not hold everything. What the search finds is used: nobody searches twice.
// Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>
#include <unordered_map>

#include "shim/core/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

class InstalledNames {
 public:
  // Which finders count as "installed" besides PathFinder.
  enum class Search {
    kPath,        // none: whatever a workspace directory must not hide
    kAllFinders,  // those behind ours on sys.meta_path, and the interpreter's own: what the store must not be asked
  };

  // Null: not installed. None: it is, and others will find it. Else the spec by which it was found.
  // Errors: what a finder raises; an ImportError of one behind ours counts as "no". Nothing is remembered then.
  py::object find(const ProcessState& state, const py::object& fullname, Search search);
  // sys.path may lead elsewhere by now.
  void forget() { known_.clear(); }

 private:
  static constexpr std::size_t kMostNames = 65'536;

  struct Known {
    bool on_path = false;
    bool elsewhere = false;
    bool looked_elsewhere = false;
  };
  std::unordered_map<std::string, Known> known_;
};

// The spec of a module or regular package that PathFinder finds for `fullname` in what of `path` leads out of the
// workspace; null when there is none.
py::object found_outside_workspace(const ProcessState& state, const py::object& fullname, const py::object& path);

}  // namespace bifrost
