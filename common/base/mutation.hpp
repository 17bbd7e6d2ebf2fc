// mutation.hpp - places where the tests break a program on purpose, to show that the history checker would notice.
//
// In everything that is installed mutated() is the constant false, and the compiler drops what it guards. Only the
// programs of tests/system/nemesis are built with BIFROST_MUTATIONS; there BIFROST_MUTATION names the one defect to
// have.
#pragma once

#include <cstdlib>
#include <string_view>

namespace bifrost {

#ifdef BIFROST_MUTATIONS
inline bool mutated(std::string_view defect) {
  static const char* const chosen = std::getenv("BIFROST_MUTATION");
  return chosen != nullptr && defect == chosen;
}
#else
constexpr bool mutated(std::string_view) {
  return false;
}
#endif

}  // namespace bifrost
