// segment.hpp - a segment file, attached for reading.
//
// Attaching is where trust is decided: the bytes get executed, so owner, mode and size are checked on the open
// descriptor before the first byte is looked at. A Segment never changes its mind afterwards: when the agent publishes
// a successor, this one goes on being readable (no one writes it any more) and retired() says so.
// Concurrency: const operations from any thread; inherited by fork; no locks, no writes to the file.
#pragma once

#include <sys/types.h>

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
#include "common/base/file_mapping.hpp"
#include "common/base/result.hpp"
#include "common/layout/counters.hpp"
#include "common/reader/control_block.hpp"
#include "common/reader/snapshot.hpp"
#include "common/reader/trust.hpp"

namespace bifrost {

// Which file a segment is, to notice that the name now means another one.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

// What the agent says of itself, read in one go. Texts are sanitised by their consumers.
struct SegmentInfo {
  std::uint64_t layout_version = 0;
  std::uint64_t epoch = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t agent_pid = 0;
  std::uint64_t agent_started_unix_ms = 0;
  std::chrono::milliseconds lease{0};
  std::string agent_version;
  std::string redis_url;
  std::string workspace;

  Generation generation;
  Generation oldest_generation;
  bool retired = false;
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
  std::uint64_t heap_bytes = 0;
  std::uint64_t heap_used_bytes = 0;
  std::uint64_t heap_reclaimable_bytes = 0;
  std::uint64_t code_bytes = 0;  // part of heap_used_bytes
  // How many of the modules have compiled code, by interpreter.
  struct Code {
    CodeTag tag;
    std::uint64_t modules = 0;
    bool made_here = false;  // by an interpreter of this agent, not only taken over from the one before
  };
  std::vector<Code> code;
  std::array<std::uint64_t, static_cast<std::size_t>(Counter::kCount)> counters{};

  bool lease_valid(BootTime now) const { return now < lease_until; }
};

class Segment {
 public:
  // Errors: kNotFound (no such file: the agent has not published yet), kPermission, kUntrusted, kIncompatible (another
  // layout), kDamaged (truncated or inconsistent header), kIo. Each message names the path and what to do.
  static Result<std::shared_ptr<const Segment>> attach(const std::string& dir, const Trust& trust = {});

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Usable for as long as this segment is attached.
  Snapshot snapshot() const { return Snapshot::newest(words_, regions_); }

  // A successor has been published.
  bool retired() const { return control().retired(); }
  BootTime synced_through() const { return control().synced_through(); }
  bool lease_valid(BootTime now) const { return control().lease_valid(now); }
  bool complete() const { return control().complete(); }

  // The caller has copied these bytes and will hardly read them again: they no longer count as its memory. Worth its
  // system call for megabytes. Harmless beside other threads that read them.
  void forget_pages(std::uint64_t offset, std::uint64_t bytes) const { mapping_.forget_pages(offset, bytes); }

  SegmentInfo info() const;
  const FileIdentity& identity() const { return identity_; }
  const layout::Regions& regions() const { return regions_; }
  ReadWords words() const { return words_; }

 private:
  Segment(FileMapping mapping, const layout::Regions& regions, FileIdentity identity)
      : mapping_(std::move(mapping)), words_(mapping_.data()), regions_(regions), identity_(identity) {}

  BasicControlBlock<ReadWords> control() const { return BasicControlBlock<ReadWords>(words_); }

  FileMapping mapping_;
  ReadWords words_;
  layout::Regions regions_;
  FileIdentity identity_;
};

// The file that the segment's name means now; nothing when there is none. Cost: one stat.
std::optional<FileIdentity> published_identity(const std::string& dir);

}  // namespace bifrost
