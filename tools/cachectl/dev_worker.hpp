// dev_worker.hpp - what `dev` can say about workers of its workspace: which interpreter runs them, and what they can
// run.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bifrost::cachectl {

// Where the Python package is when nothing is installed: in the build tree that has this program. Else "".
std::string uninstalled_package();

// The first of a few interpreters that can import bifrost_cache, as an absolute path: one beside this program, python3,
// and the one whose tag the package of the build tree has.
std::optional<std::string> worker_interpreter();

// The tag of the interpreter that the uninstalled package was built for, as in "cpython-311"; "" if that is not known.
std::string package_tag();

// The name of a function at the top of `source` that takes no arguments: main or run if there is one. "" when none
// does.
std::string callable_in(std::string_view source);

}  // namespace bifrost::cachectl
