// requested_scope.hpp - the scope that a caller of begin_execution() names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shim/core/scope.hpp"

namespace bifrost {

using OptionalText = std::optional<std::string>;
using OptionalRoots = std::optional<std::vector<std::string>>;

// ValueError (py::value_error) when both forms are used, or no module can lie below what is named.
Scope requested_scope(const OptionalText& solution_id, bool global_repo_access, const OptionalRoots& roots);

}  // namespace bifrost
