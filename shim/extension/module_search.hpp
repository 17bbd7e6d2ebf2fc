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
  std::string callable_error;  // when the host's callable raised
  bool callable_asked = false;
};

class ModuleSearch {
 public:
  // `fallback` is None or the host's callable.
  ModuleSearch(std::shared_ptr<ProcessState> state, py::object fallback)
      : state_(std::move(state)), fallback_(std::move(fallback)) {}

  const std::shared_ptr<ProcessState>& state() const { return state_; }
  bool has_fallback() const { return !fallback_.is_none(); }

  // A spec, or None. `directories` are where `name`, the last part of `fullname`, is looked for. ImportError when the
  // module exists and cannot be had.
  py::object find(const py::object& fullname, std::span<const std::string> directories, std::string_view name,
                  NamespaceForm form) const;

  // What is installed, and listings, are looked at again.
  void invalidate() const {
    installed_.forget();
    state_->forget_listings();
  }

  // The last name that find() did not find in this thread.
  static const Absence& last_absence();

 private:
  Resolution ask_callable(std::span<const std::string> directories, std::string_view name, Absence& absence) const;
  Resolution call(const ModulePath& path, Absence& absence) const;
  py::object spec_of(const py::object& fullname, Resolution resolution, NamespaceForm form) const;

  const std::shared_ptr<ProcessState> state_;
  const py::object fallback_;
  mutable InstalledNames installed_;
};

}  // namespace bifrost
