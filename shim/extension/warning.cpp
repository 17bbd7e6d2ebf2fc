#include "shim/extension/warning.hpp"

#include <pybind11/pybind11.h>

#include <optional>

namespace bifrost {

void warn(const std::string& text, WarningAt at) {
  // What waits runs first: CPython drops what a handler raises while it writes a warning.
  std::optional<pybind11::error_already_set> interrupted;
  if (PyErr_CheckSignals() != 0) interrupted.emplace();
  if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), static_cast<Py_ssize_t>(at)) != 0) {
    if (PyErr_ExceptionMatches(PyExc_Exception) == 0) throw pybind11::error_already_set();
    // Whoever has warnings raised is told in the way that is left.
    PyErr_WriteUnraisable(pybind11::str("bifrost_cache").ptr());
  }
  if (interrupted) throw pybind11::error_already_set(*interrupted);
}

}  // namespace bifrost
