// segment_access.hpp - how verbs come to a segment and to a consistent view of it.
#pragma once

#include <concepts>
#include <memory>

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

// Snapshots that are given up in a row before a verb does: reading one takes far less time than reusing its memory.
inline constexpr int kMaxSnapshots = 100;

inline Error snapshots_lost() {
  return {ErrorCode::kTimeout, "the segment is rewritten faster than it can be read: try again"};
}

// Calls `read(snapshot)` with new snapshots until it is not told that its snapshot was lost.
// `read` returns a Lookup; the result is never kSnapshotLost.
template <std::invocable<const Snapshot&> Read>
Result<Lookup> read_consistently(const Segment& segment, const Read& read) {
  for (int attempt = 0; attempt < kMaxSnapshots; ++attempt) {
    const Lookup answer = read(segment.snapshot());
    if (answer != Lookup::kSnapshotLost) return answer;
  }
  return snapshots_lost();
}

}  // namespace bifrost::cachectl
