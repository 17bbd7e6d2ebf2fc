// segment_table.hpp - the slots and the heap of one segment file, from the writer's side.
//
// Knows how to place records and how to take memory back; decides nothing about when. What it remembers about free and
// superseded memory lives in the agent and dies with it. One thread.
// (T1) At most kMaxLoad of the slots are taken, and no probe is longer than kMaxProbes: readers rely on the latter.
// (T2) A superseded extent is freed only by reclaim(), after oldest_generation has been published.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/layout/key_hash.hpp"
#include "common/layout/segment_layout.hpp"
#include "common/writer/extent_allocator.hpp"
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

// A version as the writer sees it. The texts point into the segment.
struct RecordView {
  RecordOffset offset;
  RecordHead head;
  std::string_view key;
  std::string_view token;
  std::string_view content;
};

// Compiled code as the writer sees it. The text points into the segment.
struct VariantView {
  RecordOffset offset;
  std::uint64_t extent_bytes = 0;
  CodeTag tag;
  std::string_view code;
};

class SegmentTable {
 public:
  static Result<std::unique_ptr<SegmentTable>> create(const std::string& dir, std::uint64_t bytes,
                                                      const AgentIdentity& identity);

  // Where a key lives or would live. Nothing when the table is too full for one more key.
  struct Place {
    SlotNumber slot;
    std::uint16_t fingerprint = 0;
    RecordOffset head;  // newest version, published or staged; 0: none yet
  };
  std::optional<Place> place_of(layout::KeySpace space, std::string_view key) const;

  RecordView view(RecordOffset at) const;

  // Memory for a record or a variant, or nothing. Sources leave some headroom, so that deletions, "not mirrored" and
  // the nodes that go with them still fit when nothing else does: those are what keeps an old version from being
  // served. Code leaves twice that, and `also_free` bytes: workers can do without.
  enum class Use { kCode, kSource, kHeadroom };
  std::optional<RecordOffset> allocate(std::uint64_t extent_bytes, Use use, std::uint64_t also_free = 0);
  std::uint64_t headroom_bytes() const;
  // Writes the record and makes it the newest version of its key.
  void install(const Place& place, RecordOffset at, const RecordHead& head, std::string_view body);
  // The version is out of date from generation `at` on, and so are its variants, unless its successor has taken them
  // over (RecordHead::variants).
  enum class Variants { kOutOfDate, kTakenOver };
  void supersede(const RecordView& version, Generation at, Variants variants);
  // Writes code into the memory at `at` and hangs it on the newest version of `record`'s key.
  void attach(const RecordView& record, RecordOffset at, const CodeTag& tag, std::string_view code);
  void for_each_variant(const RecordView& record, const std::function<void(const VariantView&)>& visit) const;
  // Gives up snapshots before `oldest` and frees what only they could reach. Returns the bytes freed.
  std::uint64_t reclaim(Generation oldest);

  void for_each_newest(const std::function<void(SlotNumber, const RecordView&)>& visit) const;

  Publication& publication() { return publication_; }
  SegmentFile& file() { return file_; }
  const SegmentFile& file() const { return file_; }
  const layout::Regions& regions() const { return publication_.regions(); }
  std::uint64_t slots_used() const { return slots_used_; }
  std::uint64_t live_bytes() const { return live_bytes_; }  // newest versions, without code
  std::uint64_t code_bytes() const { return code_bytes_; }  // their variants
  std::uint64_t reclaimable_bytes() const { return reclaimable_bytes_; }

 private:
  struct Superseded {
    Generation at;
    RecordOffset offset;
    std::uint64_t bytes = 0;
  };

  SegmentTable(SegmentFile file, const layout::Regions& regions);
  layout::Word own(std::uint64_t offset) const { return file_.words().own(offset); }
  VariantView variant_at(RecordOffset at) const;
  void discard(RecordOffset offset, std::uint64_t bytes, Generation at);

  SegmentFile file_;
  Publication publication_;
  ExtentAllocator heap_;
  std::deque<Superseded> superseded_;  // oldest first
  std::uint64_t slots_used_ = 0;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t code_bytes_ = 0;
  std::uint64_t reclaimable_bytes_ = 0;
};

// Key, token and content as they stand in a record: each padded with zeros to whole words.
std::string record_body(std::string_view key, std::string_view token, std::string_view content);

}  // namespace bifrost
