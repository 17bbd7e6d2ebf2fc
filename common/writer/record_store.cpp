#include "common/writer/record_store.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "common/base/segment_dir.hpp"

namespace bifrost {
namespace {

using layout::KeySpace;
using layout::RecordKind;

constexpr std::uint64_t kMostFirstSlots = 131'072;      // a mebibyte: enough for 30,000 modules
constexpr std::uint64_t kBytesPerFirstSlot = 4u << 10;  // of the maximum size
// A table is replaced from half full on; each new key copies some slots, so that the next is ready long before
// kMaxLoad.
constexpr std::uint64_t kSlotsCopiedPerKey = 16;
constexpr int kGrainsOfHistory = 256;

// History goes by grains: as much of what would still fit may go with the oldest.
std::uint64_t grain_bytes(const StoreOptions& options) {
  constexpr std::uint64_t kMost = 4u << 20;
  return std::min({kMost, options.max_size_bytes / 32, options.history_bytes.value_or(options.max_size_bytes) / 32});
}

}  // namespace

Result<std::unique_ptr<RecordStore>> RecordStore::create(const StoreOptions& options, StoreId id, Hears hears) {
  std::unique_ptr<RecordStore> store(new RecordStore(options, id, std::move(hears)));
  const std::uint64_t slots =
      std::clamp(std::bit_floor(options.max_size_bytes / kBytesPerFirstSlot), layout::kMinSlots, kMostFirstSlots);
  auto root = SlotTable::create(options.dir, slots, ChunkNumber{0}, id, options.identity);
  if (!root) return root.error();
  store->root_ = std::move(*root);
  store->look_at_file_system();
  return store;
}

// What never had a name leads nowhere.
RecordStore::~RecordStore() {
  if (named_ || predecessor_) return;
  for (auto& [number, chunk] : chunks_.all()) chunk.file.remove();
}

RecordStore::RecordStore(StoreOptions options, StoreId id, Hears hears)
    : options_(std::move(options)),
      hears_(std::move(hears)),
      chunks_(options_.dir, id),
      ledger_(options_.history / kGrainsOfHistory, grain_bytes(options_)) {}

// --- Versions ----------------------------------------------------------------------------------------------------

std::optional<RecordStore::Place> RecordStore::place_of(KeySpace space, std::string_view key) {
  return root_->place_of(layout::hash_key(space, key), [&](Address head) {
    const RecordView record = chunks_.record_at(head);
    return record.head.shape.space == space && record.key == key;
  });
}

bool RecordStore::add(KeySpace space, std::string_view key, RecordHead head, std::string_view body, bool keeps_code,
                      Use use, Generation next) {
  const std::uint64_t deletion_bytes = bytes_of_deletion(space, key, next);
  auto at = allocate(deletion_bytes + head.extent_bytes(), use);
  const auto place = place_of(space, key);  // making room may have moved what was there
  if (!at || !place) return false;
  std::optional<RecordView> before;
  if (place->head.value != 0) before = chunks_.record_at(place->head);
  const bool never_visible = before && before->head.created == next;
  if (before && deletion_bytes != 0) {
    // It goes with the history that it ends. Who is pinned between it and this version needs it for longer: a copy,
    // dated with this version.
    chunks_.write_record(*at, before->head, before->variants, before->body);
    note_history(*at, deletion_bytes);
    before->address = *at;
    at = Address(at->chunk(), at->offset() + deletion_bytes);
  }
  if (before) {
    // The chain steps over a version that was never visible.
    head.previous = never_visible ? before->head.previous : before->address;
  }
  keeps_code &= before.has_value();
  chunks_.write_record(*at, head, keeps_code ? before->variants : Address(), body);
  publish_slot(*place, *at);
  if (before) out_of_date(*before, never_visible, !keeps_code);
  account_live(*at, head.extent_bytes(), true);
  if (head.shape.kind == RecordKind::kAbsent) {
    // A deletion says nothing to snapshots that do not know the key: it goes with the history that it ends.
    account_live(*at, head.extent_bytes(), false);
    note_history(*at, head.extent_bytes());
  }
  grow_table_if_due();
  return true;
}

Address RecordStore::add_commit(const RecordHead& head, std::string_view body) {
  const auto at = allocate(head.extent_bytes(), Use::kHeadroom);
  if (!at) return {};
  chunks_.write_record(*at, head, Address(), body);
  note_history(*at, head.extent_bytes());
  return *at;
}

bool RecordStore::attach(KeySpace space, std::string_view key, const VariantHead& head, std::string_view code) {
  const auto at = allocate(head.extent_bytes(), Use::kCode);
  const auto place = place_of(space, key);
  if (!at || !place || place->head.value == 0) return false;
  chunks_.write_variant(*at, head, code);
  chunks_.attach(place->head, *at);
  account_code(chunks_.variant_at(*at), true);
  return true;
}

// Of the newest version, if it is a deletion that somebody may be pinned to; else 0.
std::uint64_t RecordStore::bytes_of_deletion(KeySpace space, std::string_view key, Generation next) {
  const auto place = place_of(space, key);
  if (!place || place->head.value == 0) return 0;
  const RecordHead head = chunks_.record_at(place->head).head;
  return head.shape.kind == RecordKind::kAbsent && head.created != next ? head.extent_bytes() : 0;
}

void RecordStore::note_history(Address at, std::uint64_t bytes) {
  chunks_.chunk(at.chunk()).history += bytes;
  ledger_.note(at.chunk(), bytes);
}

void RecordStore::committed(Generation generation) {
  ledger_.committed(generation, options_.clock());
}

void RecordStore::out_of_date(const RecordView& version, bool never_visible, bool with_code) {
  if (with_code) {
    for (const VariantView& v : chunks_.variants_of(version.address)) {
      account_code(v, false);
      note_history(v.address, v.head.extent_bytes());  // it may be an older version's as well
    }
  }
  if (version.head.shape.kind == RecordKind::kAbsent) return;  // which counts as history from the start
  account_live(version.address, version.head.extent_bytes(), false);
  if (!never_visible) note_history(version.address, version.head.extent_bytes());
}

void RecordStore::account_live(Address at, std::uint64_t bytes, bool add) {
  const std::uint64_t by = add ? bytes : ~bytes + 1;
  chunks_.chunk(at.chunk()).live += by;
  live_bytes_ += by;
}

void RecordStore::account_code(const VariantView& code, bool add) {
  account_live(code.address, code.head.extent_bytes(), add);
  const std::uint64_t by = add ? code.head.extent_bytes() : ~code.head.extent_bytes() + 1;
  chunks_.chunk(code.address.chunk()).code += by;
  code_bytes_ += by;
  hears_.code_counted(code.head.tag, add);
}

// --- Roots -------------------------------------------------------------------------------------------------------

void RecordStore::publish_slot(const Place& place, Address record) {
  if (building_ && place.slot.value < copied_) {
    if (const auto there = place_in_building(place.hash, place.head)) building_->set(*there, record);
  }
  root_->set(place, record);
}

void RecordStore::drop_slot(const Place& place) {
  if (building_ && place.slot.value < copied_) {
    if (const auto there = place_in_building(place.hash, place.head)) building_->drop(*there);
  }
  root_->drop(place);
}

// Keys are told apart by their newest version: both tables name the same. Nothing where a head is not known, or where a
// new key finds no room.
std::optional<RecordStore::Place> RecordStore::place_in_building(layout::KeyHash hash, Address head) {
  auto place = building_->place_of(hash, [head](Address there) { return head.value != 0 && there == head; });
  if (place && place->head != head) place.reset();
  return place;
}

void RecordStore::grow_table_if_due() {
  // Without room for a larger one, the table fills up to kMaxLoad.
  if (building_) return static_cast<void>(copy_slots(kSlotsCopiedPerKey));
  const bool far_from_base = chunks_.newest().value - root_->base().value > layout::kChunksPerBase / 2;
  if (root_->slots_used() * 2 < root_->slot_count() && !far_from_base) return;
  const std::uint64_t kept = root_->slots_used() - root_->slots_dropped();
  static_cast<void>(begin_table(kept * 4 < root_->slot_count() ? root_->slot_count() : root_->slot_count() * 2));
}

Status RecordStore::begin_table(std::uint64_t slot_count) {
  const ChunkNumber base{chunks_.oldest().value - 1};
  if (size_bytes() + layout::Regions{slot_count}.total_bytes() > options_.max_size_bytes) {
    return Error{ErrorCode::kNoSpace, "the segment is at its maximum size"};
  }
  auto created = SlotTable::create(options_.dir, slot_count, base, chunks_.id(), options_.identity);
  if (!created) return created.error();
  building_ = std::move(*created);
  copied_ = 0;
  return Done{};
}

Status RecordStore::copy_slots(std::uint64_t count) {
  for (const std::uint64_t end = std::min(copied_ + count, root_->slot_count()); copied_ < end; ++copied_) {
    const Address head = root_->record_in({copied_});
    if (head.value == 0) continue;
    const RecordView record = chunks_.record_at(head);
    const layout::KeyHash hash = layout::hash_key(record.head.shape.space, record.key);
    if (const auto place = place_in_building(hash, Address())) building_->set(*place, head);
  }
  return copied_ < root_->slot_count() ? Status(Done{}) : replace_root();
}

// What is staged in it readers step over, as in the one before. On error the next slot tries again.
Status RecordStore::replace_root() {
  building_->take_control_block(*root_);
  if (named_) {
    if (const Status s = building_->file().publish(kSegmentFileName); !s) return s;
    root_->publication().retire();
  }
  root_ = std::move(building_);
  if (named_) hears_.root_replaced();
  return Done{};
}

Status RecordStore::rebuild_root() {
  if (!building_) {
    if (const Status s = begin_table(root_->slot_count()); !s) return s;
  }
  return copy_slots(root_->slot_count());
}

Status RecordStore::name_root(Generation generation) {
  if (named_) return Done{};
  root_->publication().give_up_before(kept_from());
  root_->publication().publish_generation(generation);
  if (const Status s = root_->file().publish(kSegmentFileName); !s) return s;
  named_ = true;
  if (predecessor_) Publication(predecessor_->words(), layout::Regions{}).retire();
  predecessor_.reset();
  chunks_.give_back_left();
  return Done{};
}

}  // namespace bifrost
