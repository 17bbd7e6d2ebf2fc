// execute.hpp - running a module's code object as importlib would run it, without a frame of Python in between.
#pragma once

#include <pybind11/pybind11.h>

namespace bifrost {

namespace py = pybind11;

// Runs `code` in `globals`. Its exceptions pass unchanged, and their tracebacks are trimmed as for files: Python cuts
// importlib's frames off up to a call of _call_with_frames_removed, which is put there when, and only when, the code
// raises. Call with the GIL held.
void execute_module_code(const py::object& code, const py::dict& globals);

}  // namespace bifrost
