// history_ledger.hpp - which bytes of which chunk are out of date, and since when.
//
// A version that is superseded stays readable until the ledger says that nobody within the promise needs it. Bytes are
// noted while a generation is being made, dated when it is committed, and expire in the order of their dates. Pure: the
// time is an input. One thread.
// (H1) take_oldest(t) takes only what is dated before t.
// (H2) Memory is bounded: dates closer together than the grain share an entry.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "common/base/clock.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

class HistoryLedger {
 public:
  struct Entry {
    BootTime begin;
    BootTime end;
    Generation generation;  // the last one
    std::uint64_t bytes = 0;
    std::unordered_map<std::uint64_t, std::uint64_t> by_chunk;
  };

  // One entry covers at most `grain` of time and `grain_bytes`.
  HistoryLedger(std::chrono::nanoseconds grain, std::uint64_t grain_bytes) : grain_(grain), grain_bytes_(grain_bytes) {}

  // What an earlier ledger had expired.
  void resume(Generation kept_from, BootTime kept_since) {
    kept_from_ = kept_from;
    kept_since_ = kept_since;
  }

  // Out of date as of the generation in the making.
  void note(ChunkNumber chunk, std::uint64_t bytes) {
    open_[chunk.value] += bytes;
    bytes_ += bytes;
  }

  // What was noted is out of date from `generation` on, which became visible now.
  void committed(Generation generation, BootTime now) {
    if (open_.empty()) return;
    const bool fresh =
        entries_.empty() || now.since(entries_.back().begin) >= grain_ || entries_.back().bytes >= grain_bytes_;
    if (fresh) entries_.push_back({now, now, generation, 0, {}});
    Entry& entry = entries_.back();
    entry.end = now;
    entry.generation = generation;
    for (const auto& [chunk, bytes] : std::exchange(open_, {})) {
      entry.by_chunk[chunk] += bytes;
      entry.bytes += bytes;
    }
  }

  // The oldest entry, if it is out of date since before `horizon`: no snapshot needs it any more.
  std::optional<Entry> take_oldest(BootTime horizon = {~std::uint64_t{0}}) {
    if (entries_.empty() || entries_.front().end >= horizon) return std::nullopt;
    std::optional<Entry> oldest = std::move(entries_.front());
    entries_.pop_front();
    bytes_ -= oldest->bytes;
    kept_from_ = oldest->generation;
    kept_since_ = oldest->end;
    return oldest;
  }

  // Snapshots from this generation on are whole. 0: all are.
  Generation kept_from() const { return kept_from_; }
  // When that generation had become visible; 0: nothing has expired.
  BootTime kept_since() const { return kept_since_; }
  std::uint64_t bytes() const { return bytes_; }
  std::size_t entries() const { return entries_.size(); }

 private:
  std::chrono::nanoseconds grain_;
  std::uint64_t grain_bytes_;
  std::unordered_map<std::uint64_t, std::uint64_t> open_;
  std::deque<Entry> entries_;  // oldest first
  std::uint64_t bytes_ = 0;
  Generation kept_from_;
  BootTime kept_since_;
};

}  // namespace bifrost
