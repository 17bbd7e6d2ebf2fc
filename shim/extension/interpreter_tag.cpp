#include "shim/extension/interpreter_tag.hpp"

#include <pybind11/pybind11.h>

#include "shim/extension/importlib_objects.hpp"

namespace bifrost {
namespace {

CodeTag tag_of_this_interpreter() {
  PyObject* const implementation = PySys_GetObject("implementation");
  PyObject* const flags = PySys_GetObject("flags");
  if (implementation == nullptr || flags == nullptr) return {};
  const py::object cache_tag = py::getattr(implementation, "cache_tag", py::none());
  const auto text = utf8_of(cache_tag);
  const long magic = PyImport_GetMagicNumber();
  const py::object optimize = py::getattr(flags, "optimize", py::none());
  if (!text || magic == -1 || !PyLong_Check(optimize.ptr())) {
    PyErr_Clear();
    return {};
  }
  return {*text, static_cast<std::uint32_t>(magic), optimize.cast<std::uint8_t>()};
}

}  // namespace

const CodeTag& interpreter_tag() {
  static const CodeTag tag = tag_of_this_interpreter();
  return tag;
}

}  // namespace bifrost
