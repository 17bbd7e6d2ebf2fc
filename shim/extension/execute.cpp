#include "shim/extension/execute.hpp"

#include <frameobject.h>

#include "shim/extension/finalisation.hpp"

namespace bifrost {
namespace {

// importlib's own name and file, which are what Python's import looks for.
constexpr const char* kTrimmedFile = "<frozen importlib._bootstrap>";
constexpr const char* kTrimmedFunction = "_call_with_frames_removed";

void mark_for_trimming(const py::dict& globals) {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  PyCodeObject* const code = PyCode_NewEmpty(kTrimmedFile, kTrimmedFunction, 1);
  PyFrameObject* const frame =
      code == nullptr ? nullptr : PyFrame_New(PyThreadState_Get(), code, globals.ptr(), nullptr);
  // Without the mark the traceback is only longer.
  if (frame == nullptr) PyErr_Clear();
  PyErr_Restore(type, value, traceback);
  if (frame != nullptr) PyTraceBack_Here(frame);
  Py_XDECREF(reinterpret_cast<PyObject*>(frame));
  Py_XDECREF(reinterpret_cast<PyObject*>(code));
}

}  // namespace

void execute_module_code(const py::object& code, const py::dict& globals) {
  // What the builtin exec() does: an audit event, and builtins where there are none.
  if (PySys_Audit("exec", "O", code.ptr()) != 0) throw py::error_already_set();
  if (PyDict_GetItemString(globals.ptr(), "__builtins__") == nullptr &&
      PyDict_SetItemString(globals.ptr(), "__builtins__", PyEval_GetBuiltins()) != 0) {
    throw py::error_already_set();
  }
  const auto result = py::reinterpret_steal<py::object>(
      run_outside([&] { return PyEval_EvalCode(code.ptr(), globals.ptr(), globals.ptr()); }));
  if (result) return;
  mark_for_trimming(globals);
  throw py::error_already_set();
}

}  // namespace bifrost
