// contract.hpp - the writers' names: which Redis keys are modules. See docs/redis-contract.md.
#pragma once

#include <string>
#include <string_view>

#include "common/base/module_path.hpp"

namespace bifrost::contract {

inline constexpr std::string_view kPrefix = "bifrost:module:";
inline constexpr std::string_view kIndexKey = "bifrost:module:index";
// Exists while a writer deploys what takes more than one transaction: no state in between is to be seen.
inline constexpr std::string_view kDeployingKey = "bifrost:module:deploying";
inline constexpr std::string_view kMarkChannels = "bifrost:mark:";  // of agents, each of its own
inline constexpr std::string_view kSolutionsRoot = "_solutions";
inline constexpr std::string_view kDefaultTtlSeconds = "86400";

enum class KeyClass { kModule, kIndex, kDeploying, kIgnored };

// The order of the tests matters: `import modules.py` somewhere makes a key `bifrost:module:resolution:-:0:modules.py`.
inline KeyClass classify(std::string_view key) {
  if (key.substr(0, kPrefix.size()) != kPrefix) return KeyClass::kIgnored;
  const std::string_view path = key.substr(kPrefix.size());
  if (path == "index" || path.substr(0, 6) == "index:") return KeyClass::kIndex;
  if (path == "deploying") return KeyClass::kDeploying;
  if (path.substr(0, 11) == "resolution:") return KeyClass::kIgnored;
  if (path.size() >= 3 && path.substr(path.size() - 3) == ".py") return KeyClass::kModule;
  return KeyClass::kIgnored;
}

// Only for keys of class kModule: the module's path, or why no module can have it.
inline Result<ModulePathView, PathFault> path_of(std::string_view key) {
  return ModulePathView::parse(key.substr(kPrefix.size()));
}
// The same as it was spelled: for people.
inline std::string_view spelled_path_of(std::string_view key) {
  return key.substr(kPrefix.size());
}
inline std::string key_of(ModulePathView path) {
  return std::string(kPrefix).append(path.text());
}

}  // namespace bifrost::contract
