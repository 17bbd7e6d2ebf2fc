// module_search.hpp - the steps that the meta path finder and the path entry finder share: resolve a name, ask the
// host's callable last, turn the answer into a spec or into the reason for there being none.
// Call with the GIL held; waits release it.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/core/process_state.hpp"
#include "shim/extension/installed_names.hpp"

namespace bifrost {

namespace py = pybind11;

// How a namespace is to be presented.
enum class NamespaceForm {
  kWhole,     // the meta path finder's answer: it decides alone
  kPortions,  // the path entry finder's: PathFinder puts the portions together
};

// Why the last name that this thread asked for was not found.
struct Absence {
  std::string fullname;
  std::vector<std::string> directories;  // where it was looked for
  BootTime at;
  Resolution answer;
  std::string callable_error;   // when the host's callable raised
  bool callable_asked = false;  // the callable, or the platform's store
};

// What find_path() of a ModuleSearch goes by. Never kUnknown or kRefused: these raise ImportError.
Resolution resolved_path(ProcessState& state, const std::string& path);

class ModuleSearch {
 public:
  // `callable` is None or the host's callable.
  ModuleSearch(std::shared_ptr<ProcessState> state, py::object callable)
      : state_(std::move(state)), callable_(std::move(callable)) {}

  const std::shared_ptr<ProcessState>& state() const { return state_; }
  // Whether a callable is asked last, by path. One with `resolve` is asked by the core.
  bool has_callable() const { return !callable_.is_none(); }

  // A spec, or None. `directories` are where `name`, the last part of `fullname`, is looked for. ImportError when the
  // module exists and cannot be had.
  // `path` is the parent's __path__, or None.
  py::object find(const py::object& fullname, const py::object& path, std::span<const std::string> directories,
                  std::string_view name, NamespaceForm form) const;

  // The spec of the file of `path`, in storage or in the workspace, by Resolver::find_path(); None when there is none.
  // The module is called as the path is, less its root: `flows/my-flow.py` is `flows.my-flow`. ImportError as find();
  // ValueError when no module can have the path.
  py::object find_path(const std::string& path) const;

  // What is installed, and listings, are looked at again.
  void invalidate() const {
    installed_.forget();
    state_->forget_listings();
  }

  // The last name that find() did not find in this thread.
  static const Absence& last_absence();

 private:
  // Whether somebody else has the name, so that the platform's store is not asked: null, None or a spec, as
  // InstalledNames has it.
  py::object owned_by_others(const py::object& fullname, const py::object& path, std::string_view name) const;
  // What Python prefers to a namespace wherever it lies on the path: a module or regular package outside the workspace.
  py::object regular_on_disk(const py::object& fullname, const py::object& path, std::string_view name) const;
  void say_what_must_be_said() const;
  Resolution ask_callable(std::span<const std::string> directories, std::string_view name, Absence& absence) const;
  Resolution call(const ModulePath& path, Absence& absence) const;
  py::object spec_of(const py::object& fullname, Resolution resolution, NamespaceForm form) const;

  const std::shared_ptr<ProcessState> state_;
  const py::object callable_;
  mutable InstalledNames installed_;
};

}  // namespace bifrost
