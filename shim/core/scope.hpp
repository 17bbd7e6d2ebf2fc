// scope.hpp - which parts of the workspace an execution may see.
//
// A scope is an ordered list of root directories in storage: `_solutions/{id}` for the modules of one solution,
// `_workspace_releases/17` for those of a release, "" for the modules shared by all. Import names are tried root by
// root. Other solutions' directories are never visible, whatever spelling of a name leads there; nor are, through the
// bare root, the neighbours of a root whose first part begins with an underscore (other releases). Plain values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/base/result.hpp"
#include "common/layout/listing.hpp"

namespace bifrost {

class Scope {
 public:
  // Everybody's modules only: what a process sees before its first execution.
  Scope() : roots_{""} {}

  // An empty `solution_id` means none. Errors: kInvalidArgument (an id that is not one path component).
  static Result<Scope> of(std::string_view solution_id, bool global_repo_access);

  // The general form: storage prefixes such as "_workspace_releases/17/" in the order in which they are asked, "" for
  // the bare root; a trailing slash may be left out. Errors: kInvalidArgument (none, more than kMostRoots, one twice, a
  // prefix that no module path can begin with, one that holds every solution).
  static Result<Scope> of_roots(const std::vector<std::string>& prefixes);

  static constexpr std::size_t kMostRoots = 16;

  // Directories without a trailing slash, in the order in which they are asked.
  const std::vector<std::string>& roots() const { return roots_; }

  // The same as of_roots() takes them: with a trailing slash.
  std::vector<std::string> prefixes() const;

  // The solution whose modules come first; "" for none.
  std::string_view solution_id() const { return solution_of(roots_.front()); }
  // The solution that a root belongs to; "" for none.
  static std::string_view solution_of(std::string_view root);

  // Whether a storage directory or node lies in this scope.
  bool admits(std::string_view node) const { return root_of(node) != nullptr; }
  // The root that it lies in, the innermost one; null when this scope does not admit it.
  const std::string* root_of(std::string_view node) const;
  // What the root leaves of a directory, node or path that this scope admits.
  std::string_view below_root(std::string_view node) const;
  // The node that is in a file which this scope admits; a part of `path`. That of a package is its directory; an
  // `__init__.py` of the root itself is no package's.
  std::string_view node_of(ModulePathView path) const;

  bool operator==(const Scope&) const = default;

 private:
  std::vector<std::string> roots_;
};

}  // namespace bifrost
