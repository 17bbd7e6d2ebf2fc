#include "common/base/module_path.hpp"

namespace bifrost {

std::string_view reason_text(PathFault fault) {
  switch (fault) {
    case PathFault::kTooLong: return "it is longer than 1024 bytes";
    case PathFault::kNotPython: return "it does not end in .py";
    case PathFault::kLeadingSlash: return "it begins with a slash";
    case PathFault::kTrailingSlash: return "it ends in a slash";
    case PathFault::kEmptyPart: return "one of its parts is empty";
    case PathFault::kDotPart: return "one of its parts is `.` or `..`";
    case PathFault::kNoName: return "nothing, `.` or `..` stands before .py";
    case PathFault::kNul: return "it holds a NUL byte";
    case PathFault::kNotUtf8: return "it is not UTF-8";
    case PathFault::kReserved: return "it begins with a name that is reserved for other keys of the platform";
  }
  return "it cannot be a path";
}

static_assert(kMaxPathBytes == 1024, "the text above says the number");

}  // namespace bifrost
