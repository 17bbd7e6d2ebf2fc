// hook.hpp - the shim in this interpreter: what stands in sys.meta_path, sys.path_hooks and sys.path, and the one
// ProcessState behind it. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <utility>

#include "common/base/settings.hpp"
#include "shim/core/process_state.hpp"
#include "shim/extension/module_search.hpp"

namespace bifrost {

namespace py = pybind11;

// Throws RuntimeError, one sentence, in any interpreter but the main one.
void refuse_subinterpreters();

class Hook {
 public:
  // The hook of this process. Lives until the process ends.
  static Hook& instance();

  // Puts the finders in their places, and puts back what somebody removed. Settings given here replace those of an
  // earlier call. Returns the meta path finder. Errors as Python exceptions: ValueError (a setting that makes no
  // sense), RuntimeError (a sub-interpreter).
  py::object install(const Settings::Flags& flags, const py::object& fallback);
  // Takes everything out again, and ends the execution. Modules that are loaded stay loaded.
  void remove();

  // The meta path finder, or None while not installed.
  py::object finder() const { return finder_; }
  const py::object& fallback() const { return fallback_; }

  // How names are searched; null while not installed.
  std::shared_ptr<const ModuleSearch> search() const { return search_; }

  // What the present execution's begin_execution() returned, in this process or in the one that it was forked from;
  // None before the first, and after remove().
  const py::object& execution() const { return execution_; }
  void begun(py::object execution) { execution_ = std::move(execution); }

  // The process' state; made from the environment when nothing was installed. Null with BIFROST_DISABLE=1.
  std::shared_ptr<ProcessState> state();

 private:
  Hook() = default;
  void configure(const Settings::Flags& flags);
  void place() const;
  void take_out() const;

  py::object finder_ = py::none();
  py::object missing_ = py::none();
  py::object path_hook_ = py::none();
  py::object fallback_ = py::none();
  py::object execution_ = py::none();
  std::shared_ptr<WholeStore> store_;  // what fallback_ speaks for, when it has `resolve`
  std::shared_ptr<const ModuleSearch> search_;
  Settings::Flags flags_;
  bool disabled_ = false;
  bool reports_at_exit_ = false;
  // Of the process, whatever the settings: modules stay loaded when the hook is removed.
  const std::shared_ptr<LoadedModules> loaded_ = std::make_shared<LoadedModules>();
  const std::shared_ptr<LastReads> last_reads_ = std::make_shared<LastReads>();
  std::shared_ptr<ProcessState> state_;
};

}  // namespace bifrost
