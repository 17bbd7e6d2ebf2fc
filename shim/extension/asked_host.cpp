#include "shim/extension/asked_host.hpp"

namespace bifrost {
namespace {

PyObject* variable() {
  // Never destroyed: the interpreter may be gone by the time static objects are.
  static PyObject* const only = PyContextVar_New("bifrost_cache.asked_host", nullptr);
  if (only == nullptr) throw py::error_already_set();
  return only;
}

}  // namespace

py::object asked_host_variable() {
  return py::reinterpret_borrow<py::object>(variable());
}

bool host_is_asked_here() {
  PyObject* question = nullptr;
  if (PyContextVar_Get(variable(), nullptr, &question) != 0) throw py::error_already_set();
  const auto owned = py::reinterpret_steal<py::object>(question);
  return owned && PyList_Check(owned.ptr()) != 0 && PyList_GET_SIZE(owned.ptr()) != 0;
}

AskedHost::AskedHost() {
  question_.append(py::none());
  before_ = py::reinterpret_steal<py::object>(PyContextVar_Set(variable(), question_.ptr()));
  if (!before_) throw py::error_already_set();
}

AskedHost::~AskedHost() {
  const py::error_scope what_is_being_raised;
  question_.attr("clear")();
  if (PyContextVar_Reset(variable(), before_.ptr()) != 0) PyErr_Clear();  // the host has left its context
}

}  // namespace bifrost
