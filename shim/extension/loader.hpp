// loader.hpp - runs one module from what was found for it.
//
// A loader keeps to the version that it found: it runs the code that the node has made of it, or compiles its source,
// and tracebacks and inspect show the lines that this process executed, whatever Redis holds by then. The source stays
// in shared memory until somebody asks for it. Only when the mirror has reused that memory, which takes an update of
// the module and a full segment, does it look for the same content elsewhere. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "shim/core/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

class VirtualModuleLoader {
 public:
  VirtualModuleLoader(std::shared_ptr<ProcessState> state, std::string name, std::shared_ptr<const Resolution> module);

  // A module with the attributes that importlib would give it one by one. `self` is this loader as Python knows it.
  static py::object create_module(const py::object& self, const py::object& spec);
  // Exceptions of the module's own code pass unchanged.
  static void exec_module(const py::object& self, const py::object& module);

  // ImportError when `fullname` is another module's.
  static py::object get_code(const py::object& self, const py::object& fullname);
  py::str get_source(const py::object& fullname) const;
  py::str get_filename(const py::object& fullname) const;
  bool is_package(const py::object& fullname) const;
  // The bytes stored under a path of the workspace; FileNotFoundError for any other path.
  py::bytes get_data(const std::string& path) const;
  py::object get_resource_reader(const py::object& fullname) const;

  // What running the module would execute: code that is held ready, that the node has made, or made now.
  struct Executable {
    py::object code;
    SourceOrigin origin;
    bool held = false;  // ready before
  };
  Executable get_ready();

  const std::string& name() const { return name_; }
  const std::shared_ptr<const Resolution>& found() const { return module_; }
  // The module's `__file__`, and everything else in Python that says where it lies: one object.
  const py::str& file() const { return file_; }

 private:
  void run(const py::object& self, const py::object& module);
  void check_name(const py::object& fullname) const;
  void run_found(const py::object& self, const py::object& module);
  // What was executed. The module is marked as running from before anything of it shows that it is ours.
  SourceOrigin run_marked(const py::object& self, const py::object& module);
  // After its code has run, or failed, which began at `since` by LoadedModules::times_forgotten().
  void say_if_outlived(std::uint64_t since) const;
  // get_ready(), or what the get_code() says that somebody has set on this loader.
  Executable executable_of(const py::object& self);
  // Null when the node has none for this interpreter.
  py::object shared_code() const;
  py::object at_home(py::object code) const;
  py::object compiled(std::string_view content) const;
  // OSError when nobody has it any more.
  std::string content() const;
  std::string gone(const std::string& why) const;

  const std::shared_ptr<ProcessState> state_;
  const std::string name_;
  const py::str file_;
  std::shared_ptr<const Resolution>
      module_;  // never null; replaced once, when the version found was gone before it could be run
};

// create_module and exec_module of the bound class.
void add_loader_fast_methods(const py::handle& type);

}  // namespace bifrost
