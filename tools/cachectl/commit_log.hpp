// commit_log.hpp - the history in a segment: what each generation changed, and the versions of one module.
//
// Reaches back as far as the agent keeps what was replaced. Reads records that lookups do not reach, so that every one
// is verified before it is believed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/reader/segment.hpp"

namespace bifrost::cachectl {

// One version of one module.
struct Version {
  std::string path;
  Generation generation;  // that made it visible
  layout::RecordKind kind = layout::RecordKind::kAbsent;
  layout::Reason reason = layout::Reason::kChange;
  std::uint64_t bytes = 0;
  std::string hash;

  // "source", "deleted", "expired", "pruned" or "not mirrored".
  std::string_view what() const;
};

struct Commit {
  Generation generation;
  std::uint64_t unix_ms = 0;
  std::uint64_t changes = 0;
  std::vector<Address> records;  // the first layout::commit::kMaxListed of what it changed
};

// Calls `visit` with each commit, newest first, until it returns false or the history ends.
void walk_commits(const Snapshot& snapshot, const std::function<bool(const Commit&)>& visit);

// The version at an address that a commit names; nothing when it is gone or damaged.
std::optional<Version> version_at(const Snapshot& snapshot, Address address);

// The versions of one path, newest first, as far as they are kept; kMiss when there never was one.
Lookup versions_of(const Snapshot& snapshot, std::string_view path, std::vector<Version>& versions);

// When generations up to the snapshot's became visible, for as long as the history goes.
std::optional<std::uint64_t> unix_ms_of(const Snapshot& snapshot, Generation generation);

}  // namespace bifrost::cachectl
