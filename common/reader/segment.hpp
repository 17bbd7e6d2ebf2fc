// segment.hpp - a root, attached for reading, with the chunks that it leads to.
//
// A Segment never changes its mind: when the agent publishes another root, this one goes on being readable for as long
// as its chunks are there, and retired() says so. Attach again, with this one as `earlier`, to share what it has
// mapped. Concurrency: const operations from any thread; inherited by fork; no locks, no writes to the files.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/layout/counters.hpp"
#include "common/reader/chunk_map.hpp"
#include "common/reader/control_block.hpp"
#include "common/reader/snapshot.hpp"
#include "common/reader/trust.hpp"

namespace bifrost {

using Snapshot = BasicSnapshot<MappedMemory>;

// What the agent says of itself, read in one go. Texts are sanitised by their consumers.
struct SegmentInfo {
  std::uint64_t layout_version = 0;
  std::uint64_t agent_pid = 0;
  std::uint64_t agent_started_unix_ms = 0;
  std::chrono::milliseconds lease{0};
  std::string agent_version;
  std::string redis_url;
  std::string workspace;

  Generation generation;
  Generation oldest_generation;
  BootTime synced_through;  // 0: never in sync
  BootTime lease_until;     // 0: revoked
  BootTime heartbeat;
  layout::AgentState state = layout::AgentState::kStarting;
  bool complete = false;
  bool redis_connected = false;
  std::uint64_t signals = 0;  // bits of layout::Signal
  std::uint64_t modules = 0;
  std::uint64_t not_mirrored = 0;
  std::uint64_t retained = 0;
  std::uint64_t nodes = 0;
  std::uint64_t slots_used = 0;
  std::uint64_t slot_count = 0;
  std::uint64_t size_bytes = 0;     // root and chunks together, as the file system counts them
  std::uint64_t max_bytes = 0;      // they will not grow beyond
  std::uint64_t live_bytes = 0;     // newest versions with their code
  std::uint64_t history_bytes = 0;  // versions that only older snapshots need
  std::uint64_t code_bytes = 0;     // part of live_bytes
  std::uint64_t chunks = 0;
  BootTime history_since;  // snapshots from before may have lost versions; 0: none has
  layout::HistoryLimit history_limit = layout::HistoryLimit::kAge;
  std::chrono::milliseconds history{0};  // how long versions are to be kept
  std::string run_id;                    // of the Redis that the mirror is in sync with
  std::uint64_t deploying_since_unix_ms = 0;
  layout::Cuts cuts = layout::Cuts::kUnknown;
  // How many of the modules have compiled code, by interpreter.
  struct Code {
    CodeTag tag;
    std::uint64_t modules = 0;
    bool made_here = false;  // by an interpreter of this agent, not only taken over from the one before
  };
  std::vector<Code> code;
  std::array<std::uint64_t, static_cast<std::size_t>(Counter::kCount)> counters{};

  // As Segment::lease_valid: the times are of this boot and of this time namespace, and they make sense.
  bool clock_is_ours = false;
  bool lease_valid(BootTime now) const { return clock_is_ours && is_lease(lease_until, now, lease); }
  // New executions import from the mirror. In a degraded one it may lack some names, which they ask Redis for.
  bool ready(BootTime now) const {
    return lease_valid(now) && (complete || state == layout::AgentState::kDegraded) &&
           state != layout::AgentState::kStopped;
  }
};

class Segment {
 public:
  // Errors: kNotFound (no such file: the agent has not published yet), kPermission, kUntrusted, kIncompatible (another
  // layout), kDamaged (truncated or inconsistent header), kIo. Each message names the path and what to do.
  static Result<std::shared_ptr<const Segment>> attach(const std::string& dir, const Trust& trust = {},
                                                       const Segment* earlier = nullptr);
  // The same root, without the chunks that are gone. Costs no system call.
  std::shared_ptr<const Segment> without_gone() const;

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Usable for as long as this segment is attached.
  Snapshot snapshot() const { return Snapshot::newest(memory_); }
  Snapshot snapshot_at(Generation generation) const { return {memory_, generation}; }

  // Another root has been published.
  bool retired() const { return control().retired(); }
  // 0 also where the clock is another one: such a time means nothing here.
  BootTime synced_through() const { return clock_is_ours_ ? control().synced_through() : BootTime{}; }
  BootTime shown_through() const { return clock_is_ours_ ? control().shown_through() : BootTime{}; }
  bool lease_valid(BootTime now) const { return clock_is_ours_ && control().lease_valid(now, lease_); }
  bool complete(Generation g) const { return control().complete(g); }
  bool deploying() const { return control().deploying(); }
  // Of the Redis that the mirror is in sync with; "" when it is not known.
  std::string run_id() const;
  bool has_gone() const { return chunks_.has_gone(); }

  SegmentInfo info() const;
  const FileIdentity& identity() const { return identity_; }
  const MappedMemory& memory() const { return memory_; }
  const ChunkMap& chunks() const { return chunks_; }

 private:
  Segment(std::shared_ptr<const FileMapping> root, layout::Regions regions, FileIdentity identity, ChunkSource source,
          const ChunkMap* earlier);

  BasicControlBlock<ReadWords> control() const { return BasicControlBlock<ReadWords>(memory_.root()); }

  std::shared_ptr<const FileMapping> root_;
  ChunkMap chunks_;
  MappedMemory memory_;
  FileIdentity identity_;
  std::chrono::milliseconds lease_;
  bool clock_is_ours_;
};

// The file that the segment's name means now; nothing when there is none. Cost: one stat.
std::optional<FileIdentity> published_identity(const std::string& dir);

}  // namespace bifrost
