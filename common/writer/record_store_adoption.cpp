// Taking over what the agent before has left.
#include <algorithm>
#include <bit>
#include <utility>

#include "common/base/boot_identity.hpp"
#include "common/base/segment_dir.hpp"
#include "common/writer/record_store.hpp"

namespace bifrost {

Status RecordStore::take_over_root() {
  auto file = SegmentFile::adopt(options_.dir, std::string(kSegmentFileName));
  if (!file) return file.error();
  const WriteWords before = file->words();
  namespace control = layout::control;
  // Each key of the predecessor needs a slot, whatever the limits are by now. Without room for that, the table grows as
  // far as it can.
  const std::uint64_t most = before.own(layout::header::kSlotCount);
  const std::uint64_t slots = std::bit_ceil(2 * std::min(before.own(control::kSlotsUsed), most / 2) + 1);
  if (std::min(slots, most) > root_->slot_count()) {
    auto for_all =
        SlotTable::create(options_.dir, std::min(slots, most), ChunkNumber{0}, chunks_.id(), options_.identity);
    if (for_all) root_ = std::move(*for_all);
  }
  root_->publication().publish_commit(Address(before.own(control::kLastCommit)));
  root_->publication().show(control::kChunksBegun, before.own(control::kChunksBegun));
  chunks_.count_from({before.own(control::kChunksBegun)});
  predecessor_ = std::move(*file);
  return Done{};
}

bool RecordStore::adopt_record(Address at, bool with_code) {
  const RecordView record = chunks_.record_at(at);
  const auto place = place_of(record.head.shape.space, record.key);
  if (!place || place->head.value != 0) return false;
  publish_slot(*place, at);
  grow_table_if_due();
  if (record.head.shape.kind == layout::RecordKind::kAbsent) return true;
  account_live(at, record.head.extent_bytes(), true);
  if (with_code) {
    for (const VariantView& v : chunks_.variants_of(at)) account_code(v, true);
  } else if (record.variants.value != 0) {
    chunks_.detach_all(at);
  }
  return true;
}

void RecordStore::resume_history(const WriteWords& before, Generation newest) {
  namespace control = layout::control;
  const bool goes_on =
      newest.value == before.own(control::kGeneration) && chunks_.all().size() >= before.own(control::kChunks);
  if (!goes_on) return ledger_.resume(newest, options_.clock());
  // Of another boot's clock it only says that something has been given up.
  const BootTime since{before.own(control::kHistorySinceNs)};
  const BootIdentity theirs{before.own(layout::header::kBootLow), before.own(layout::header::kBootHigh),
                            before.own(layout::header::kTimeNamespace)};
  const bool known = since.ns == 0 || theirs.same_clock(boot_identity());
  ledger_.resume({before.own(control::kOldestGeneration)}, known ? since : options_.clock());
}

// A predecessor that was killed between the record of a commit and its generation leaves one of a generation that never
// was. The next commit has the same number, and a log in which numbers do not fall ends there.
void RecordStore::forget_unpublished_commit(Generation newest) {
  const Address last(root_->own(layout::control::kLastCommit));
  if (last.value == 0) return;
  const bool known = chunks_.has(last) && chunks_.block_at(last);
  const RecordHead head = known ? chunks_.record_at(last).head : RecordHead{};
  if (!known || head.created > newest) root_->publication().publish_commit(head.previous);
}

// Chunks for names, for deletions and for moving must still find room, and so must what is moved at once.
bool RecordStore::has_adopted_too_much(bool shrinks) const {
  constexpr std::uint64_t kFree = 3;
  std::uint64_t bytes = size_bytes();
  if (!shrinks) return bytes > options_.max_size_bytes;
  for (const auto& [number, chunk] : chunks_.all()) {
    if (is_too_large({number})) bytes += chunk.used;
  }
  return bytes > options_.max_size_bytes / layout::kChunksPerStore * (layout::kChunksPerStore - kFree);
}

// By an agent that might take more: what sources leave to moving may be too little to empty it later.
bool RecordStore::is_too_large(ChunkNumber number) const {
  const std::uint64_t used = chunks_.all().at(number.value).used;
  if (used <= options_.max_size_bytes / layout::kChunksPerStore * 2) return false;
  const auto first = chunks_.block_at(Address(number, layout::chunk::kHeaderBytes));
  return first && layout::chunk::kHeaderBytes + first->bytes < used;  // one that holds a single block is never moved
}

void RecordStore::adopted(Generation newest) {
  if (predecessor_) {
    const WriteWords before = predecessor_->words();
    resume_history(before, newest);
    forget_unpublished_commit({before.own(layout::control::kGeneration)});
  }
  for (auto& [number, chunk] : chunks_.all()) {
    chunk.history = chunk.used - layout::chunk::kHeaderBytes - chunk.live;
    if (chunk.history != 0) ledger_.note({number}, chunk.history);
    if (is_too_large({number})) too_large_.push_back({number});
  }
  ledger_.committed(newest, options_.clock());
  plan_chunks();
}

}  // namespace bifrost
