// node_tree.hpp - what import names mean, derived from the set of storage paths. Kept in the agent's own memory.
//
// `a/b.py` makes the module `a/b`, `a/b/__init__.py` the package `a/b`, and every directory above a file is a
// namespace unless it is a package. A package wins over a module of the same name, a module over a namespace, as in
// Python. Paths are opaque: no normalisation, `a//b.py` has a directory with an empty name.
// The tree also collects which nodes a batch of changes has touched, so that a commit rewrites only those.
// One thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/layout/record_layout.hpp"

namespace bifrost {

// What the segment should say about one import name.
struct NodeValue {
  layout::RecordKind kind = layout::RecordKind::kAbsent;
  std::string file;     // storage path behind a module or package
  std::string listing;  // children of a package or namespace, see layout/listing.hpp
};

class NodeTree {
 public:
  // A storage path that ends in `.py` now exists, or exists no longer. Repeating either touches its node again.
  void add_file(std::string_view path);
  void remove_file(std::string_view path);

  // The nodes whose value may have changed since the last call, each once, in falling order.
  std::vector<std::string> take_touched();

  bool has_touched() const { return !touched_.empty(); }

  // Reports the node again at the next take_touched(): its value could not be stored.
  void touch_again(std::string_view node) { touched_.emplace_back(node); }

  NodeValue value_of(const std::string& node) const;
  layout::RecordKind kind_of(const std::string& node) const;

 private:
  struct Entry {
    bool module = false;     // `{name}.py` exists
    bool directory = false;  // something lies below `{name}/`
  };
  struct Directory {
    bool has_init = false;
    std::map<std::string, Entry, std::less<>> children;

    bool empty() const { return !has_init && children.empty(); }
  };

  void touch(std::string_view node);
  void link_upwards(std::string_view directory);
  void unlink_upwards(std::string_view directory);

  std::unordered_map<std::string, Directory> directories_;  // by node path, "" is the root
  std::vector<std::string> touched_;                        // some more than once
};

}  // namespace bifrost
