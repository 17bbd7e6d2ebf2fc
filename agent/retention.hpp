// retention.hpp - a key has vanished from Redis: was the module deleted, or did its TTL run out?
//
// Expiry is not deletion. The index tells them apart, since writers remove a path from it and expiry does not. When
// the whole index is gone, Redis has lost its data rather than the users their modules: only a deletion that was seen
// as such counts then. One table, one place; the reasons are in docs/consistency.md.
#pragma once

namespace bifrost::agent {

enum class OnExpiry { kRetain, kDrop };

enum class IndexEntry {
  kListed,    // the index holds the path
  kUnlisted,  // the index exists without it
  kNoIndex,   // there is no index at all
  kUnknown,   // the index is not a set
};

enum class Vanished { kRemove, kRetain, kRetainCold };

constexpr Vanished decide_vanished(OnExpiry policy, IndexEntry entry, bool explicitly_deleted) {
  if (policy == OnExpiry::kDrop) return Vanished::kRemove;
  switch (entry) {
    case IndexEntry::kListed: return Vanished::kRetain;
    case IndexEntry::kUnlisted: return Vanished::kRemove;
    case IndexEntry::kNoIndex:
    case IndexEntry::kUnknown: break;
  }
  return explicitly_deleted ? Vanished::kRemove : Vanished::kRetainCold;
}

}  // namespace bifrost::agent
