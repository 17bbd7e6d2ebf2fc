// warning.hpp - what the user must hear of, by way of Python's warnings.
#pragma once

#include <string>

namespace bifrost {

// Whose line is shown.
enum class WarningAt {
  kImport = 1,
  kCallerOfPublicFunction = 2,  // which is Python itself
};

// A RuntimeWarning. A filter that makes it an error raises nothing: a warning must not become a failed import.
// Errors: py::error_already_set of others, such as a signal handler's, since Python code runs here.
void warn(const std::string& text, WarningAt at);

}  // namespace bifrost
