#include "shim/extension/warning.hpp"

#include <pybind11/pybind11.h>

namespace bifrost {

void warn(const std::string& text, WarningAt at) {
  if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), static_cast<Py_ssize_t>(at)) == 0) return;
  if (PyErr_ExceptionMatches(PyExc_RuntimeWarning) == 0) throw pybind11::error_already_set();
  PyErr_Clear();
}

}  // namespace bifrost
