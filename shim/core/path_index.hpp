// path_index.hpp - the set of storage paths that writers keep in `bifrost:module:index`, answering what a GET cannot:
// which directories exist and what they hold. Immutable, shared between threads.
//
// The index is a hint about existence only: an entry outlives an expired key, and a new key appears before its entry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/layout/listing.hpp"

namespace bifrost {

class PathIndex {
 public:
  PathIndex() = default;
  // Members that are not module paths are left out.
  explicit PathIndex(std::vector<std::string> members);

  bool empty() const { return paths_.empty(); }
  bool contains(std::string_view path) const;
  // A directory that holds at least one module, at any depth; "" is the root.
  bool has_directory(std::string_view directory) const;
  // What lies directly in `directory`, by name. A package wins over a module, a module over a namespace.
  std::vector<Child> children(std::string_view directory) const;

 private:
  // The first path that starts with `directory` and a slash.
  std::vector<std::string>::const_iterator first_below(const std::string& prefix) const;

  std::vector<std::string> paths_;  // sorted
};

}  // namespace bifrost
