// retention.hpp - a key has vanished from Redis: was the module deleted, or did its TTL run out?
//
// Expiry is not deletion. The index tells them apart, since writers remove a path from it and expiry does not. When
// the whole index is gone, Redis has lost its data rather than the users their modules: only a deletion that was seen
// as such counts then, also once writers have begun a new index that does not list the path yet.
// One table, one place; the reasons are in docs/consistency.md.
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

// What is known of a path whose key has vanished.
struct Departure {
  IndexEntry index = IndexEntry::kUnknown;
  bool explicitly_deleted = false;
  bool index_lost = false;  // the index that once listed the path was lost
};

constexpr Vanished decide_vanished(OnExpiry policy, const Departure& d) {
  if (policy == OnExpiry::kDrop) return Vanished::kRemove;
  switch (d.index) {
    case IndexEntry::kListed: return Vanished::kRetain;
    case IndexEntry::kUnlisted: return d.index_lost && !d.explicitly_deleted ? Vanished::kRetain : Vanished::kRemove;
    case IndexEntry::kNoIndex:
    case IndexEntry::kUnknown: break;
  }
  return d.explicitly_deleted ? Vanished::kRemove : Vanished::kRetainCold;
}

}  // namespace bifrost::agent
