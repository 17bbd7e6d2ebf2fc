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

namespace {

// In one allocation: a hit makes one of these.
std::string joined(std::string_view node, std::string_view rest) {
  std::string path;
  path.reserve(node.size() + rest.size());
  return path.append(node).append(rest);
}

}  // namespace

ModulePath ModuleNode::file() const {
  return {joined(text_, paths::kSuffix), ModulePath::Checked{}};
}

std::optional<ModulePath> ModuleNode::package_file() const {
  if (text_.size() + paths::kInitFile.size() > kMaxPathBytes) return std::nullopt;
  return ModulePath(joined(text_, paths::kInitFile), ModulePath::Checked{});
}

}  // namespace bifrost
