#include "shim/core/path_index.hpp"

#include <algorithm>
#include <map>

#include "common/base/module_path.hpp"
#include "shim/core/scope.hpp"

namespace bifrost {

using layout::RecordKind;

PathIndex::PathIndex(std::vector<std::string> members) : paths_(std::move(members)) {
  std::erase_if(paths_, [](const std::string& path) { return !ModulePathView::parse(path); });
  std::sort(paths_.begin(), paths_.end());
}

bool PathIndex::contains(std::string_view path) const {
  return std::binary_search(paths_.begin(), paths_.end(), path, std::less<>());
}

std::vector<std::string>::const_iterator PathIndex::first_below(const std::string& prefix) const {
  return std::lower_bound(paths_.begin(), paths_.end(), prefix);
}

bool PathIndex::has_directory(std::string_view directory) const {
  if (directory.empty()) return !paths_.empty();
  const std::string prefix = join_node(directory, "");
  const auto found = first_below(prefix);
  return found != paths_.end() && found->compare(0, prefix.size(), prefix) == 0;
}

std::vector<Child> PathIndex::children(std::string_view directory) const {
  const std::string prefix = directory.empty() ? std::string() : join_node(directory, "");
  std::map<std::string, RecordKind, std::less<>> names;
  const auto note = [&names](std::string_view name, RecordKind kind) {
    const auto [entry, is_new] = names.emplace(name, kind);
    if (!is_new && hides(kind, entry->second)) entry->second = kind;
  };
  for (auto it = first_below(prefix); it != paths_.end() && it->compare(0, prefix.size(), prefix) == 0; ++it) {
    const std::string_view rest = std::string_view(*it).substr(prefix.size());
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos) {
      if (directory.empty() || rest != paths::kInitFile.substr(1)) {
        note(rest.substr(0, rest.size() - paths::kSuffix.size()), RecordKind::kModule);
      }
    } else {
      note(rest.substr(0, slash),
           rest.substr(slash) == paths::kInitFile ? RecordKind::kPackage : RecordKind::kNamespace);
    }
  }
  std::vector<Child> children;
  for (const auto& [name, kind] : names) children.push_back({name, kind});
  return children;
}

}  // namespace bifrost
