// segment_access.hpp - how verbs come to a segment and to a consistent view of it.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>

#include "common/base/result.hpp"
#include "common/base/settings.hpp"
#include "common/reader/segment.hpp"
#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

// The published segment. Errors as in Segment::attach, and kInvalidArgument for a malformed agent uid.
Result<std::shared_ptr<const Segment>> attach_segment(const Settings& settings);
// The same, after waiting for a segment to appear as long as the command line says.
Result<std::shared_ptr<const Segment>> attach_segment(const Context& context);

// Attached, with a message on stderr when its answers may be old: for verbs that show modules.
Result<std::shared_ptr<const Segment>> attach_for_reading(const Context& context);

// Attempts before a verb gives up: reading takes far less time than it takes until memory is given back again.
inline constexpr int kMaxSnapshots = 100;

inline Error not_kept(Generation generation) {
  return {ErrorCode::kNotFound,
          "generation " + std::to_string(generation.value) +
              " is not kept any more: bifrost-cachectl log shows how far back the history reaches"};
}
inline Error not_yet_made(Generation generation, Generation newest) {
  return {ErrorCode::kNotFound, "there is no generation " + std::to_string(generation.value) + " yet: the newest is " +
                                    std::to_string(newest.value)};
}
inline Error snapshots_lost() {
  return {ErrorCode::kTimeout, "the segment is rewritten faster than it can be read: try again"};
}

// Whether what `look(snapshot)` found gone is not there at all, instead of having moved: a snapshot that is kept finds
// everything that it needs, as long as its root is the published one.
template <std::invocable<const Snapshot&> Look>
bool is_lost(const Segment& segment, const Snapshot& snapshot, const Look& look) {
  const Snapshot again = snapshot.kept() ? snapshot : snapshot.renewed();
  return look(again) == Lookup::kGone && again.kept() && !segment.retired();
}

// The Lookup of `look(snapshot)`; kDamaged for what is lost.
template <std::invocable<const Snapshot&> Look>
Lookup settled(const Segment& segment, const Snapshot& snapshot, const Look& look) {
  const Lookup found = look(snapshot);
  return found == Lookup::kGone && is_lost(segment, snapshot, look) ? Lookup::kDamaged : found;
}

// Calls `read(segment, snapshot)` with the newest root and its newest snapshot, or the one of generation `at`, until it
// does not meet memory that was given back meanwhile. `read` returns a Lookup; the result is never kGone. Error, with
// `at`: that generation is not kept any more, or there is none yet.
template <std::invocable<const Segment&, const Snapshot&> Read>
Result<Lookup> read_consistently(const Segment& segment, const Read& read, std::optional<Generation> at = {}) {
  std::shared_ptr<const Segment> newer;
  for (int attempt = 0; attempt < kMaxSnapshots; ++attempt) {
    const Segment& now = newer ? *newer : segment;
    const Snapshot newest = now.snapshot();
    if (at && newest.generation() < *at) return not_yet_made(*at, newest.generation());
    const Snapshot snapshot = at ? now.snapshot_at(*at) : newest;
    if (!snapshot.kept()) return not_kept(snapshot.generation());
    const Lookup answer = read(now, snapshot);
    if (answer != Lookup::kGone) return answer;
    const ChunkSource& source = now.chunks().source();
    if (auto attached = Segment::attach(source.dir, source.trust, &now)) newer = std::move(*attached);
  }
  return snapshots_lost();
}

}  // namespace bifrost::cachectl
