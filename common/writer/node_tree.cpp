#include "common/writer/node_tree.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "common/layout/listing.hpp"

namespace bifrost {
namespace {

using layout::RecordKind;

constexpr std::string_view kSuffix = ".py";
constexpr std::string_view kInit = "__init__";

std::string_view without_suffix(std::string_view path) {
  return path.substr(0, path.size() - kSuffix.size());
}

// A top-level `__init__.py` is the module `__init__`: the root itself is no package.
bool is_init(const SplitNode& s) {
  return s.name == kInit && !s.directory.empty();
}

}  // namespace

void NodeTree::add_file(std::string_view path) {
  const SplitNode at = split_node(without_suffix(path));
  Directory& directory = directories_[std::string(at.directory)];
  if (is_init(at)) {
    directory.has_init = true;
    touch(at.directory);
  } else {
    directory.children[std::string(at.name)].module = true;
    touch(without_suffix(path));
  }
  link_upwards(at.directory);
}

void NodeTree::remove_file(std::string_view path) {
  const SplitNode at = split_node(without_suffix(path));
  const auto found = directories_.find(std::string(at.directory));
  if (found == directories_.end()) return;
  Directory& directory = found->second;
  if (is_init(at)) {
    directory.has_init = false;
    touch(at.directory);
  } else {
    const auto child = directory.children.find(at.name);
    if (child == directory.children.end()) return;
    child->second.module = false;
    if (!child->second.directory) directory.children.erase(child);
    touch(without_suffix(path));
  }
  unlink_upwards(at.directory);
}

// A changed node also changes the listing of the directory that holds it. That stays last in touched_, since many files
// of one directory come in a row.
void NodeTree::touch(std::string_view node) {
  const std::string_view parent = split_node(node).directory;
  const bool noted = !touched_.empty() && touched_.back() == parent;
  touched_.emplace_back(node);
  if (noted) {
    std::swap(touched_.back(), *std::prev(touched_.end(), 2));
  } else if (!node.empty()) {
    touched_.emplace_back(parent);
  }
}

std::vector<std::string> NodeTree::take_touched() {
  std::sort(touched_.begin(), touched_.end(), std::greater<>());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  return std::exchange(touched_, {});
}

void NodeTree::link_upwards(std::string_view directory) {
  while (!directory.empty()) {
    const SplitNode at = split_node(directory);
    Entry& entry = directories_[std::string(at.directory)].children[std::string(at.name)];
    if (entry.directory) return;
    entry.directory = true;
    touch(directory);
    directory = at.directory;
  }
}

void NodeTree::unlink_upwards(std::string_view directory) {
  while (!directory.empty()) {
    const auto found = directories_.find(std::string(directory));
    if (found == directories_.end() || !found->second.empty()) return;
    directories_.erase(found);
    touch(directory);
    const SplitNode at = split_node(directory);
    Directory& parent = directories_[std::string(at.directory)];
    const auto entry = parent.children.find(at.name);
    if (entry != parent.children.end()) {
      entry->second.directory = false;
      if (!entry->second.module) parent.children.erase(entry);
    }
    directory = at.directory;
  }
}

RecordKind NodeTree::kind_of(const std::string& node) const {
  const auto directory = directories_.find(node);
  if (directory != directories_.end() && directory->second.has_init) return RecordKind::kPackage;
  if (!node.empty()) {
    const SplitNode at = split_node(node);
    const auto parent = directories_.find(std::string(at.directory));
    if (parent != directories_.end()) {
      const auto entry = parent->second.children.find(at.name);
      if (entry != parent->second.children.end() && entry->second.module) return RecordKind::kModule;
    }
  }
  if (directory != directories_.end() && !directory->second.empty()) return RecordKind::kNamespace;
  return RecordKind::kAbsent;
}

NodeValue NodeTree::value_of(const std::string& node) const {
  NodeValue value;
  value.kind = kind_of(node);
  switch (value.kind) {
    case RecordKind::kModule: value.file = node + std::string(kSuffix); return value;
    case RecordKind::kPackage: value.file = join_node(node, kInit) + std::string(kSuffix); break;
    case RecordKind::kNamespace: break;
    default: return value;
  }
  for (const auto& [name, entry] : directories_.at(node).children) {
    // Only of a directory is there more to know than its entry says.
    append_child(value.listing, name, entry.directory ? kind_of(join_node(node, name)) : RecordKind::kModule);
  }
  return value;
}

}  // namespace bifrost
