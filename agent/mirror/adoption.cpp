#include "agent/mirror/adoption.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "common/base/segment_dir.hpp"
#include "common/writer/segment_file.hpp"

namespace bifrost::agent {
namespace {

constexpr std::uint64_t kSliceBytes = 16u << 20;  // verified at some 10 GB/s
constexpr std::uint64_t kSlotCost = 256;          // of one slot, in bytes that could be verified meanwhile
constexpr std::uint64_t kVersionCost = 4u << 10;  // of a version of the past
constexpr std::size_t kSliceNames = 2048;

// Deletions, too; what is damaged is left out.
template <class Visit>
void for_each_current(const Snapshot& snapshot, const Visit& visit) {
  for (SlotNumber slot{0}; slot.value < snapshot.slot_count(); ++slot.value) {
    const Found found = snapshot.at_slot(slot);
    if (found.status == Lookup::kHit) visit(found.record);
  }
}

// The last chunk that readers of its root are led to.
ChunkNumber last_current_chunk(const Snapshot& snapshot) {
  ChunkNumber last = snapshot.last_commit().chunk();
  for_each_current(snapshot, [&](const RecordRef& record) {
    last = std::max(last, record.address.chunk());
    VariantRef code;
    for (std::uint64_t n = 0; n < layout::kMaxVariants; ++n) {
      if (snapshot.next_variant(record, code) != Lookup::kHit) break;
      last = std::max(last, code.address.chunk());
    }
  });
  return last;
}

// Chunks that lead to nothing but history go first, then those of the oldest versions. Returns how many. One of the
// former may be what a writer that was killed had given up itself, but for the file.
std::size_t give_up_chunks(const Snapshot& old, bool shrinks, SegmentWriter& writer,
                           const std::vector<std::uint64_t>& numbers) {
  if (!writer.has_adopted_too_much(shrinks)) return 0;
  std::set<ChunkNumber> current;
  for_each_current(old, [&](const RecordRef& record) {
    if (record.shape.kind != layout::RecordKind::kAbsent) current.insert(record.address.chunk());
  });
  std::size_t given_up = 0;
  for (const bool is_current : {false, true}) {
    for (const std::uint64_t number : numbers) {
      if (!writer.has_adopted_too_much(shrinks)) return given_up;
      if (!writer.has_chunk(Address({number}, 0)) || current.contains({number}) != is_current) continue;
      writer.leave_chunk({number});
      ++given_up;
    }
  }
  return given_up;
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> Adoption::writer_for(const Segment& old, const StoreOptions& options,
                                                            Generation reached, std::size_t& chunks_given_up) {
  const StoreId store{old.chunks().source().store_low, old.chunks().source().store_high};
  const Snapshot snapshot = old.snapshot();
  const Generation newest = snapshot.generation();
  auto writer = SegmentWriter::succeed(options, store, newest < reached ? Generation{reached.value + 1} : newest);
  if (!writer) return writer;
  const auto numbers = chunk_files_in(options.dir);
  if (!numbers) return numbers.error();
  const bool shrinks = options.max_size_bytes < old.info().max_bytes;
  // What lies behind the last of them was moved together by an agent that ended before it had a root. Early agents did
  // not count what they began.
  ChunkNumber last = (*writer)->newest_chunk();
  if (!numbers->empty() && last < ChunkNumber{numbers->back()}) last = std::max(last, last_current_chunk(snapshot));
  for (const std::uint64_t number : *numbers) {
    const Status adopted = last < ChunkNumber{number} ? Error{ErrorCode::kDamaged, "no root leads to this chunk"}
                                                      : (*writer)->adopt_chunk({number});
    if (adopted) continue;
    // Of what Redis has lost this is the only copy: another start may be able to read it.
    if (is_momentary(adopted.error().code)) return adopted.error();
    // One that is not sound is no part of the store: what was in it comes from Redis again.
    ::unlink(path_in(options.dir, chunk_file_name(number)).c_str());
  }
  chunks_given_up = give_up_chunks(snapshot, shrinks, **writer, *numbers);
  return writer;
}

Adoption::Adoption(std::shared_ptr<const Segment> old, Mirror& mirror, SegmentWriter& writer)
    : old_(std::move(old)), snapshot_(old_->snapshot()), mirror_(mirror), writer_(writer), newer_(writer.adopt_log()) {
  for (const SegmentInfo::Code& code : old_->info().code) {
    if (code.made_here) tags_.push_back(code.tag);
  }
}

bool Adoption::step() {
  slice_bytes_ = 0;
  if (has_looked_at_all()) {
    return writer_.empty_too_large() && writer_.stage_touched_nodes(kSliceNames);
  }
  while (slice_bytes_ < kSliceBytes && !has_looked_at_all()) {
    if (newer_.value != 0) {
      slice_bytes_ += kVersionCost;
      newer_ = writer_.adopt_older(newer_);
    } else {
      slice_bytes_ += kSlotCost;
      look_at(next_);
      ++next_.value;
    }
  }
  if (has_looked_at_all()) {
    const Taken all = old_->complete(snapshot_.generation()) ? Taken::kComplete : Taken::kAll;
    writer_.adopted(tally_.damaged == 0 && tally_.without_room == 0 ? all : Taken::kLess);
  }
  return false;
}

void Adoption::look_at(SlotNumber slot) {
  const Found found = snapshot_.at_slot(slot);
  if (found.status == Lookup::kMiss) return;
  const RecordRef& record = found.record;
  if (found.status == Lookup::kHit && !writer_.has_chunk(record.address)) {
    ++tally_.without_room;  // its chunk was given up
    return;
  }
  if (found.status != Lookup::kHit || snapshot_.verify(record, body_) != Lookup::kHit) {
    ++tally_.damaged;
    return;
  }
  slice_bytes_ += record.extent_bytes();
  const std::string_view key = Snapshot::key_in(record, body_);
  const bool is_file = record.shape.space == layout::KeySpace::kFile;
  // An agent of an earlier release mirrored whatever Redis held.
  const auto path = ModulePathView::parse(is_file ? key : "any.py");
  if (!path) {
    ++tally_.refused;
    return;
  }
  if (!writer_.adopt(record.address, is_file && code_is_sound(record, key))) {
    ++tally_.without_room;
    return;
  }
  newer_ = record.address;
  if (!is_file || record.shape.kind == layout::RecordKind::kAbsent) return;
  mirror_.adopt(*path, {record.shape.kind == layout::RecordKind::kSource, record.has(layout::Mark::kRetained),
                        record.has(layout::Mark::kIndexLost), record.content_bytes});
  ++tally_.modules;
}

// Code for interpreters that nobody has any more must not be handed down for ever.
bool Adoption::code_is_sound(const RecordRef& record, std::string_view path) {
  VariantRef variant;
  const layout::Word key_hash = layout::hash_key(layout::KeySpace::kFile, path).value;
  for (std::uint64_t n = 0; n <= layout::kMaxVariants; ++n) {
    const Lookup next = snapshot_.next_variant(record, variant);
    if (next == Lookup::kMiss) {
      tally_.code += n;
      return true;
    }
    const bool belongs = next == Lookup::kHit && variant.digest == record.digest && variant.key_hash == key_hash &&
                         std::find(tags_.begin(), tags_.end(), variant.tag) != tags_.end();
    if (!belongs) return false;
    code_.resize(variant.code_bytes);
    slice_bytes_ += variant.code_bytes;
    if (snapshot_.read_code(variant, code_.data()) != Lookup::kHit || !writer_.has_chunk(variant.address)) return false;
  }
  return false;  // longer than a list can be
}

Status Adoption::finish() {
  return writer_.publish();
}

}  // namespace bifrost::agent
