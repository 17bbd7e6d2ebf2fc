// slot_table.hpp - one root, from the writer's side: header, control block and the slots of the hash table.
//
// Knows hashes and addresses; what a record says, it asks `same_key` for. One thread.
// (T1) At most kMaxLoad of the slots are taken, and no probe is longer than kMaxProbes: readers rely on the latter.
// (T2) A key's slot never moves within a root. A slot that was used is never empty again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/result.hpp"
#include "common/layout/key_hash.hpp"
#include "common/writer/chunk_store.hpp"
#include "common/writer/publication.hpp"
#include "common/writer/segment_file.hpp"

namespace bifrost {

// What a segment says about the agent that writes it.
struct AgentIdentity {
  std::string version;
  std::string redis_url;  // without credentials
  std::string workspace;
  std::uint64_t started_unix_ms = 0;
  std::chrono::milliseconds lease{1000};
};

class SlotTable {
 public:
  static constexpr double kMaxLoad = 0.7;  // beyond it, linear probing's misses get long

  // `base`: below every chunk number that its slots will name. Errors: kNoSpace, kPermission, kIo.
  static Result<std::unique_ptr<SlotTable>> create(const std::string& dir, std::uint64_t slot_count, ChunkNumber base,
                                                   StoreId store, const AgentIdentity& identity);

  // Where a key lives or would live. Nothing when the table is too full for one more key.
  struct Place {
    SlotNumber slot;
    layout::KeyHash hash;
    Address head;  // newest version, published or staged; 0: none yet
  };
  // `same_key` is asked of records whose fingerprint fits.
  template <class SameKey>
  std::optional<Place> place_of(layout::KeyHash hash, const SameKey& same_key) const;

  void set(const Place& place, Address record);
  // No snapshot that is kept knows the key.
  void drop(const Place& place);

  // The record of a slot; 0 for one that is empty or dropped.
  Address record_in(SlotNumber slot) const;

  // The control block of the root before becomes this one's.
  void take_control_block(const SlotTable& before);

  Publication& publication() { return publication_; }
  SegmentFile& file() { return file_; }
  const SegmentFile& file() const { return file_; }
  layout::Word own(std::uint64_t offset) const { return file_.words().own(offset); }
  std::uint64_t slot_count() const { return regions_.slot_count; }
  std::uint64_t slots_used() const { return slots_used_; }
  std::uint64_t slots_dropped() const { return slots_dropped_; }
  ChunkNumber base() const { return base_; }

 private:
  SlotTable(SegmentFile file, layout::Regions regions, ChunkNumber base)
      : file_(std::move(file)), regions_(regions), publication_(file_.words(), regions), base_(base) {}

  SegmentFile file_;
  layout::Regions regions_;
  Publication publication_;
  ChunkNumber base_;
  std::uint64_t slots_used_ = 0;  // dropped ones included
  std::uint64_t slots_dropped_ = 0;
};

template <class SameKey>
std::optional<SlotTable::Place> SlotTable::place_of(layout::KeyHash hash, const SameKey& same_key) const {
  SlotNumber slot = hash.first_slot(regions_.slot_count);
  for (std::uint64_t probe = 0; probe < layout::kMaxProbes; ++probe) {
    const layout::Word word = own(regions_.slot_offset(slot));
    if (word == 0) {
      const bool room = static_cast<double>(slots_used_ + 1) <= kMaxLoad * static_cast<double>(regions_.slot_count);
      if (!room) return std::nullopt;
      return Place{slot, hash, Address()};
    }
    if (layout::slot_fingerprint(word) == hash.fingerprint() && !layout::slot_dropped(word)) {
      const Address head = layout::slot_record(word, base_);
      if (same_key(head)) return Place{slot, hash, head};
    }
    slot.value = (slot.value + 1) & (regions_.slot_count - 1);
  }
  return std::nullopt;
}

}  // namespace bifrost
