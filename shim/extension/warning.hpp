// warning.hpp - what the user must hear of, by way of Python's warnings.
#pragma once

#include <string>

#include "shim/core/process_state.hpp"

namespace bifrost {

// Whose line is shown.
enum class WarningAt {
  kImport = 1,
  kCallerOfPublicFunction = 2,  // which is Python itself
};

inline constexpr const char* kServedStale =
    "bifrost: modules are served that may be stale. Nobody could say what is newest: neither the agent nor Redis, or "
    "fallback.resolve failed for a module whose key has expired. `bifrost-cachectl status` tells what agent and Redis "
    "do";

// A RuntimeWarning. Neither a filter that makes it an error nor a closed sys.stderr raises anything: a warning must not
// become a failed import. It goes to sys.unraisablehook then. Errors: py::error_already_set, of a signal handler that
// was due before it is written; one that strikes meanwhile is heard only if it raises no Exception (KeyboardInterrupt).
void warn(const std::string& text, WarningAt at);

// Once per execution, that it goes on with another generation.
inline void warn_of_loss(ProcessState& state, WarningAt where) {
  if (const auto notice = state.take_lost_notice()) warn("bifrost: " + *notice, where);
}

}  // namespace bifrost
