// listing.hpp - nodes and their directories: names, and the children of a directory, as stored in the content of
// package and namespace nodes.
//
// Encoding: per child, in byte order of the names: one byte RecordKind (kModule, kPackage or kNamespace), two bytes
// length (little-endian), the name. No header: the content's length ends it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/layout/record_layout.hpp"

namespace bifrost {

struct Child {
  std::string name;
  layout::RecordKind kind = layout::RecordKind::kModule;
  bool operator==(const Child&) const = default;
};

// Of two children with one name the import takes a package before a module, and any file before a namespace.
inline bool hides(layout::RecordKind one, layout::RecordKind other) {
  return one != other && (one == layout::RecordKind::kPackage || other == layout::RecordKind::kNamespace);
}

// The node `name` of `directory`, "" being the root.
inline std::string join_node(std::string_view directory, std::string_view name) {
  std::string node;
  node.reserve(directory.size() + 1 + name.size());
  node.append(directory);
  if (!directory.empty()) node.push_back('/');
  return node.append(name);
}

struct SplitNode {
  std::string_view directory;  // "" for a top-level name
  std::string_view name;
};

inline SplitNode split_node(std::string_view node) {
  const auto slash = node.rfind('/');
  if (slash == std::string_view::npos) return {{}, node};
  return {node.substr(0, slash), node.substr(slash + 1)};
}

inline void append_child(std::string& listing, std::string_view name, layout::RecordKind kind) {
  listing.push_back(static_cast<char>(kind));
  listing.push_back(static_cast<char>(name.size() & 0xff));
  listing.push_back(static_cast<char>(name.size() >> 8 & 0xff));
  listing.append(name);
}

// False when the bytes are not a listing; `children` then holds what came before the fault.
inline bool decode_listing(std::string_view listing, std::vector<Child>& children) {
  while (!listing.empty()) {
    if (listing.size() < 3) return false;
    const auto kind = static_cast<layout::RecordKind>(listing[0]);
    const std::size_t bytes =
        static_cast<unsigned char>(listing[1]) | static_cast<std::size_t>(static_cast<unsigned char>(listing[2])) << 8;
    if (listing.size() - 3 < bytes) return false;
    if (kind != layout::RecordKind::kModule && kind != layout::RecordKind::kPackage &&
        kind != layout::RecordKind::kNamespace) {
      return false;
    }
    children.push_back({std::string(listing.substr(3, bytes)), kind});
    listing.remove_prefix(3 + bytes);
  }
  return true;
}

}  // namespace bifrost
