#include "shim/extension/requested_scope.hpp"

#include <pybind11/pybind11.h>

#include <utility>

namespace bifrost {

namespace py = pybind11;

Scope requested_scope(const OptionalText& solution_id, bool global_repo_access, const OptionalRoots& roots) {
  if (roots && (solution_id || global_repo_access)) {
    throw py::value_error("give either roots, or solution_id and global_repo_access");
  }
  auto scope = roots ? Scope::of_roots(*roots) : Scope::of(solution_id.value_or(""), global_repo_access);
  if (!scope) throw py::value_error(scope.error().message);
  return std::move(*scope);
}

}  // namespace bifrost
