// asked_host.hpp - whether the host's fallback is at work on a question here. What it imports for its answer is not put
// to it again.
//
// "Here" is a context (contextvars), not a thread: greenlets share one, and each of them imports for itself.
// With the GIL.
#pragma once

#include <pybind11/pybind11.h>

namespace bifrost {

namespace py = pybind11;

// When the extension is loaded.
void create_asked_host_variable();
// The ContextVar: a list that is empty once the question is over. Tasks that were started meanwhile inherit it.
py::object asked_host_variable();

bool host_is_asked_here();

// For the scope.
class AskedHost {
 public:
  AskedHost();
  ~AskedHost();
  AskedHost(const AskedHost&) = delete;
  AskedHost& operator=(const AskedHost&) = delete;

 private:
  py::list question_;
  py::object before_;  // the variable's token
};

}  // namespace bifrost
