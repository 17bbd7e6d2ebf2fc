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
  const bool absent = record.head.shape.kind == layout::RecordKind::kAbsent;
  if (record.variants.value != 0 && (absent || !with_code)) chunks_.detach_all(at);
  if (absent) {
    adopt_history(at, record.head.extent_bytes(), record.head.created);
    return true;
  }
  account_live(at, record.head.extent_bytes(), true);
  for (const VariantView& v : chunks_.variants_of(at)) account_code(v, true);
  return true;
}

Address RecordStore::adopt_older(Address newer) {
  const RecordView version = chunks_.record_at(newer);
  const Address at = version.head.previous;
  // Nobody has verified what lies in the past. A chain goes back in time, and is of one key.
  const auto older = sound_block(at, layout::Block::kRecord) ? chunks_.record_at(at) : RecordView{};
  const bool leads_on = older.address.value != 0 && older.head.created < version.head.created &&
                        older.head.shape.space == version.head.shape.space && older.key == version.key;
  if (!leads_on || !adopt_history(at, older.head.extent_bytes(), version.head.created)) return {};
  if (older.variants == version.variants) return at;  // its successor has its code
  Address code = older.variants;
  for (std::uint64_t n = 0; n < layout::kMaxVariants && sound_block(code, layout::Block::kVariant); ++n) {
    const VariantView variant = chunks_.variant_at(code);
    adopt_history(code, variant.head.extent_bytes(), version.head.created);
    code = variant.next;
  }
  return at;
}

bool RecordStore::sound_block(Address at, layout::Block kind) const {
  if (at.value == 0 || !chunks_.has(at)) return false;
  const auto block = chunks_.block_at(at);
  return block && block->kind == kind;
}

// False: no snapshot within the history needs what is out of date since then.
bool RecordStore::adopt_history(Address at, std::uint64_t bytes, Generation since) {
  const std::uint64_t oldest = predecessor_->words().own(layout::control::kOldestGeneration);
  const std::uint64_t newest = predecessor_->words().own(layout::control::kGeneration);
  if (since.value <= oldest || newest < since.value) return false;
  adopted_history_.add(at.chunk(), bytes, since);
  return true;
}

// False: the history of the root before is not this one's.
bool RecordStore::resume_history(const WriteWords& before, Generation newest) {
  namespace control = layout::control;
  const bool goes_on =
      newest.value == before.own(control::kGeneration) && chunks_.all().size() >= before.own(control::kChunks);
  if (!goes_on) {
    ledger_.resume(newest, options_.clock());
    return false;
  }
  // Of another boot's clock it only says that something has been given up.
  const BootTime since{before.own(control::kHistorySinceNs)};
  const BootIdentity theirs{before.own(layout::header::kBootLow), before.own(layout::header::kBootHigh),
                            before.own(layout::header::kTimeNamespace)};
  const bool known = since.ns == 0 || theirs.same_clock(boot_identity());
  ledger_.resume({before.own(control::kOldestGeneration)}, known ? since : options_.clock());
  return true;
}

Address RecordStore::adopt_log() {
  const auto head_of = [this](Address at) {
    return sound_block(at, layout::Block::kRecord) ? chunks_.record_at(at).head : RecordHead{};
  };
  Address last(root_->own(layout::control::kLastCommit));
  RecordHead head = head_of(last);
  // A predecessor that was killed between the record of a commit and its generation leaves one of a generation that
  // never was. The next commit has the same number, and a log in which numbers do not fall ends there.
  const bool published =
      head.created.value != 0 && head.created.value <= predecessor_->words().own(layout::control::kGeneration);
  if (!published) {
    last = head.previous;
    root_->publication().publish_commit(last);
    head = head_of(last);
  }
  return head.created.value != 0 && adopt_history(last, head.extent_bytes(), head.created) ? last : Address();
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
  const AdoptedHistory history = std::exchange(adopted_history_, {});
  if (predecessor_ && resume_history(predecessor_->words(), newest)) {
    history.for_each([this](Generation last, const AdoptedHistory::ByChunk& by_chunk) {
      for (const auto& [number, bytes] : by_chunk) note_history(Address({number}, 0), bytes);
      ledger_.committed(last, options_.clock());
    });
    const WriteWords before = predecessor_->words();
    const auto limit = static_cast<layout::HistoryLimit>(before.own(layout::control::kHistoryLimit));
    const bool still_limits = limit == layout::HistoryLimit::kHistorySize
                                  ? ledger_.bytes() > history_allowance() / 8 * 7
                                  : options_.max_size_bytes <= before.own(layout::control::kMaxBytes);
    if (still_limits) history_limit_ = limit;
  }
  for (const auto& [number, chunk] : chunks_.all()) {
    if (is_too_large({number})) too_large_.push_back({number});
  }
  plan_chunks();
}

}  // namespace bifrost
