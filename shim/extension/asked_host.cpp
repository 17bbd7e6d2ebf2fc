#include "shim/extension/asked_host.hpp"

namespace bifrost {
namespace {

// Never destroyed: the interpreter may be gone by the time static objects are.
PyObject* variable = nullptr;

}  // namespace

void create_asked_host_variable() {
  variable = PyContextVar_New("bifrost_cache.asked_host", nullptr);
  if (variable == nullptr) throw py::error_already_set();
}

py::object asked_host_variable() {
  return py::reinterpret_borrow<py::object>(variable);
}

bool host_is_asked_here() {
  PyObject* question = nullptr;
  if (PyContextVar_Get(variable, nullptr, &question) != 0) throw py::error_already_set();
  const auto owned = py::reinterpret_steal<py::object>(question);
  return owned && PyList_Check(owned.ptr()) != 0 && PyList_GET_SIZE(owned.ptr()) != 0;
}

AskedHost::AskedHost() {
  question_.append(py::none());
  before_ = py::reinterpret_steal<py::object>(PyContextVar_Set(variable, question_.ptr()));
  if (!before_) throw py::error_already_set();
}

AskedHost::~AskedHost() {
  const py::error_scope what_is_being_raised;
  if (PyList_SetSlice(question_.ptr(), 0, PY_SSIZE_T_MAX, nullptr) != 0) PyErr_Clear();
  if (PyContextVar_Reset(variable, before_.ptr()) != 0) PyErr_Clear();  // the host has left its context
}

}  // namespace bifrost
