// loader.hpp - runs one module from the source that was found for it.
//
// A loader keeps its source: tracebacks and inspect show the lines that this process executed, whatever Redis holds by
// then. It never asks anybody again, but for get_data() of other paths. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "shim/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

class VirtualModuleLoader {
 public:
  VirtualModuleLoader(std::shared_ptr<ProcessState> state, std::string name, Resolution module);

  py::object create_module(const py::object& spec) const;
  // Exceptions of the module's own code pass unchanged.
  void exec_module(const py::object& module) const;

  // ImportError when `fullname` is another module's.
  py::object get_code(const py::object& fullname) const;
  py::str get_source(const py::object& fullname) const;
  std::string get_filename(const py::object& fullname) const;
  bool is_package(const py::object& fullname) const;
  // The bytes stored under a path of the workspace; FileNotFoundError for any other path.
  py::bytes get_data(const std::string& path) const;
  py::object get_resource_reader(const py::object& fullname) const;

  const std::string& name() const { return name_; }
  const std::string& filename() const { return file_; }
  const Resolution& module() const { return module_; }

 private:
  void check_name(const py::object& fullname) const;
  py::object compiled() const;

  const std::shared_ptr<ProcessState> state_;
  const std::string name_;
  const std::string file_;
  const Resolution module_;
};

// linecache's lines for a file name belong to another version now, if it has been used at all.
void forget_lines_of(const std::string& file);

}  // namespace bifrost
