// left_behind.hpp - submodules on disk of packages that lie in the workspace, too.
//
// They stay in sys.modules when their package is evicted, and importlib makes a submodule an attribute of its package
// only when it loads the submodule. So the package that takes the place of the old one gets them back here. Call with
// the GIL held.
#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "shim/core/process_state.hpp"

namespace bifrost {

namespace py = pybind11;

// Those of `package` that are still loaded, as far as its `globals` have nothing of that name.
void give_back_submodules(const LoadedModules& loaded, const std::string& package, const py::dict& globals);

// The loader of a namespace package that has any to get back; None for another, which importlib loads without one. What
// it has loaded looks as if importlib had.
py::object namespace_loader(const std::shared_ptr<ProcessState>& state, const std::string& package);

void bind_namespace_loader(py::module_& m);

}  // namespace bifrost
