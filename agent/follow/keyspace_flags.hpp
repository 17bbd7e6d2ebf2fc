// keyspace_flags.hpp - which notify-keyspace-events flags the mirror needs, and what to add to those that are set.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bifrost::agent {

inline constexpr std::string_view kFlagsSetting = "notify-keyspace-events";

// K for the channel, A for every class but misses: overwriting a string by another type is announced in that type's
// class only.
inline bool has_needed_flags(std::string_view flags) {
  if (flags.find('K') == std::string_view::npos) return false;
  if (flags.find('A') != std::string_view::npos) return true;
  for (const char needed : std::string_view("g$lshzxetd")) {
    if (flags.find(needed) == std::string_view::npos) return false;
  }
  return true;
}

// What to set so that nothing that was on goes off; nothing when no change is needed.
inline std::optional<std::string> flags_to_set(std::string_view flags) {
  if (has_needed_flags(flags)) return std::nullopt;
  std::string wanted(flags);
  for (const char needed : {'K', 'A'}) {
    if (wanted.find(needed) == std::string::npos) wanted.push_back(needed);
  }
  return wanted;
}

}  // namespace bifrost::agent
