// scope.hpp - which parts of the workspace an execution may see.
//
// A scope is an ordered list of root directories in storage: `_solutions/{id}` for the modules of one solution, "" for
// the modules shared by all. Import names are tried root by root. Other solutions' directories are never visible,
// whatever spelling of a name leads there. Plain values, no shared state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace bifrost {

class Scope {
 public:
  // Everybody's modules only: what a process sees before its first execution.
  Scope() : roots_{""} {}

  // An empty `solution_id` means none. Errors: kInvalidArgument (an id that is not one path component).
  static Result<Scope> of(std::string_view solution_id, bool global_repo_access);

  // Directories without a trailing slash, in the order in which they are asked.
  const std::vector<std::string>& roots() const { return roots_; }

  // What of() was given; "" for none.
  std::string_view solution_id() const;
  bool has_global_repo_access() const { return roots_.size() > 1; }

  // Whether a storage directory or node lies in this scope.
  bool admits(std::string_view node) const;

  bool operator==(const Scope&) const = default;

 private:
  std::vector<std::string> roots_;
};

// `directory` and a name below it, as one node.
std::string join_node(std::string_view directory, std::string_view name);

}  // namespace bifrost
