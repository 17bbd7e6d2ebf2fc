// source_lines.hpp - source lines for those who ask Python's linecache by file name alone, as warnings and tracemalloc
// do.
//
// Who knows the module, as traceback and inspect do, comes by its source through `__loader__` without our doing.
// Nothing is read here: an entry names the loader, which is asked when somebody wants lines. linecache costs 7 ms to
// import, so nothing is done before somebody else has imported it. Call with the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace bifrost {

namespace py = pybind11;

// `globals` is the namespace of the module that `loader` is about to run as `file`. Cost: no Python frame but for the
// first module of a process.
void offer_lines(const py::str& file, const py::object& loader, const py::dict& globals);

// The lines of `file` belong to another version now.
void forget_lines_of(const py::str& file);

// Nor does the module of that name lie where inspect has seen it: it would fail over a namespace that takes its place.
void forget_file_of(const std::string& name);

}  // namespace bifrost
