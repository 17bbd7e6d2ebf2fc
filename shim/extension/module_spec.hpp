// module_spec.hpp - specs of workspace modules, made without running importlib's constructor.
//
// A spec is an instance of a subclass of importlib's ModuleSpec. Its attributes are those that the constructor gave a
// model when the process started, whatever they are in this version of Python, with this module's own put in.
#pragma once

#include <pybind11/pybind11.h>

namespace bifrost {

namespace py = pybind11;

// What spec_from_loader() would give for a file: origin, has_location, and for packages the places of their children.
// `locations` is null for a module. Call with the GIL held.
py::object module_spec(const py::object& name, const py::object& loader, const py::object& origin,
                       const py::object& locations);

// As the constructor makes it, for a namespace.
py::object namespace_spec(const py::object& name, const py::object& loader, const py::object& locations);

}  // namespace bifrost
