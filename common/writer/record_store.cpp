#include "common/writer/record_store.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "common/base/boot_identity.hpp"
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
constexpr std::uint64_t kSlotsPerSlice = 512;       // each a cache miss or two, and a fence takes several turns
constexpr std::uint64_t kBytesPerSlice = 1u << 20;  // moved out of a chunk
constexpr std::uint64_t kLeastHistoryBytes = 256u << 20;
constexpr std::uint64_t kLeastHeadroom = 64u << 10;
constexpr int kGrainsOfHistory = 256;
constexpr std::uint64_t kGrainBytes = 4u << 20;
constexpr int kMostAttempts = 4096;  // to make room for one block: each frees something

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
      ledger_(options_.history / kGrainsOfHistory, std::min(kGrainBytes, options_.max_size_bytes / 32)) {}

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

// --- Taking over -------------------------------------------------------------------------------------------------

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
  if (record.head.shape.kind == RecordKind::kAbsent) return true;
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

bool RecordStore::empty_too_large() {
  while (!too_large_.empty() && !emptying_) {
    const ChunkNumber number = too_large_.back();
    too_large_.pop_back();
    // Without room for it, as with the same `max_size` and a full store, it stays as it is.
    const bool can_go = chunks_.has(Address(number, 0)) && can_be_emptied(chunks_.chunk(number));
    if (can_go) emptying_ = Emptying{number, kept_from()};
  }
  if (!emptying_) return true;
  if (empty_on(*emptying_, kBytesPerSlice) != Progress::kMore) emptying_.reset();
  return false;
}

// --- Room --------------------------------------------------------------------------------------------------------

std::uint64_t RecordStore::size_bytes() const {
  std::uint64_t bytes = chunks_.reserved_bytes();
  for (const SlotTable* table : {root_.get(), building_.get()}) {
    if (table != nullptr) bytes += table->file().bytes();
  }
  return bytes;
}

// A chunk can be emptied only while there is another to move to. One is left to that; another to what must not fail, so
// that it can be emptied in turn when it is full of what was deleted since.
ChunkStore::Keep RecordStore::kept_from(Use use) const {
  const std::uint64_t chunk = chunks_.planned_bytes();
  const std::uint64_t headroom = std::clamp(live_bytes_ / 16, std::min(kLeastHeadroom, chunk / 8), chunk / 4);
  switch (use) {
    case Use::kCode: return {2 * headroom, 2 * chunk};
    case Use::kSource: return {headroom, 2 * chunk};
    case Use::kName: return {headroom, chunk};
    case Use::kHeadroom: return {0, chunk};
    default: return {0, 0};
  }
}

std::uint64_t RecordStore::history_allowance() const {
  if (options_.history_bytes) return *options_.history_bytes;
  return std::min(std::max(live_bytes_, kLeastHistoryBytes), options_.max_size_bytes / 2);
}

void RecordStore::look_at_file_system() {
  struct statvfs st {};
  const bool limited = ::statvfs(options_.dir.c_str(), &st) == 0 && st.f_blocks != 0;
  file_system_bytes_ = limited ? std::uint64_t{st.f_blocks} * st.f_frsize : ~std::uint64_t{0};
  plan_chunks();
}

// A chunk is a sixteenth of what is stored when it is begun; of a small segment, a sixteenth of what it may become.
void RecordStore::plan_chunks() {
  const std::uint64_t least =
      std::min(layout::kMinChunkBytes, std::min(options_.max_size_bytes, file_system_bytes_) / layout::kChunksPerStore);
  const std::uint64_t wanted = (live_bytes_ + ledger_.bytes()) / layout::kChunksPerStore;
  const std::uint64_t bytes = std::clamp(wanted, least, layout::kMaxBlockOffset);
  const std::uint64_t roots = size_bytes() - chunks_.reserved_bytes();
  chunks_.plan(options_.max_size_bytes - std::min(options_.max_size_bytes, roots),
               bytes / layout::kPageBytes * layout::kPageBytes);
}

std::optional<Address> RecordStore::place_for(std::uint64_t bytes, Use use) {
  const auto at = chunks_.make_place(bytes, kept_from(use));
  // Before anything leads there. A successor counts on from here though the file may be gone or damaged by then: who
  // has that file mapped would look for a chunk of the same number in it.
  if (const std::uint64_t begun = chunks_.newest().value; root_->own(layout::control::kChunksBegun) < begun) {
    root_->publication().show(layout::control::kChunksBegun, begun);
  }
  return at;
}

std::optional<Address> RecordStore::allocate(std::uint64_t bytes, Use use) {
  plan_chunks();
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    if (const auto at = place_for(bytes, use)) return at;
    if (!make_room(use)) return std::nullopt;
  }
  return std::nullopt;
}

bool RecordStore::make_room(Use use) {
  look_at_file_system();
  expire();
  if (empty(ripe_chunk())) return true;
  const auto why = chunks_.full() == ChunkStore::Full::kAllowance ? layout::HistoryLimit::kMaxSize
                                                                  : layout::HistoryLimit::kFileSystem;
  if (give_up_history(why)) return true;  // the next attempt finds what that has freed
  if (empty(wasteful_chunk(1, false))) return true;
  if (chunks_.seal_if_wasteful()) return true;
  return use != Use::kCode && give_up_code();
}

void RecordStore::expire() {
  const auto age = static_cast<std::uint64_t>(std::chrono::nanoseconds(options_.history).count());
  const std::uint64_t now = options_.clock().ns;
  if (now < age) return;
  while (const auto old = ledger_.take_oldest({now - age})) forget(*old);
}

bool RecordStore::give_up_history(layout::HistoryLimit why) {
  const auto oldest = ledger_.take_oldest();
  if (!oldest) return false;
  forget(*oldest);
  history_limit_ = why;
  hears_.history_given_up(options_.clock().since(oldest->end) < options_.history);
  return true;
}

void RecordStore::forget(const HistoryLedger::Entry& history) {
  root_->publication().give_up_before(kept_from());
  for (const auto& [number, bytes] : history.by_chunk) chunks_.chunk({number}).history -= bytes;
}

bool RecordStore::give_up_code() {
  const auto chunk = best_chunk([](const ChunkStore::Chunk& c) { return c.code; });
  if (!chunk) return false;
  std::uint64_t offset = layout::chunk::kHeaderBytes;
  while (const auto block = chunks_.block_at(Address(*chunk, offset))) {
    if (block->kind == layout::Block::kVariant) {
      if (const auto owner = owner_of(chunks_.variant_at(Address(*chunk, offset)))) drop_code_of(*owner);
    }
    offset += block->bytes;
  }
  const ChunkStore::Chunk& left = chunks_.chunk(*chunk);
  if (left.history == 0 && can_be_emptied(left)) empty(chunk);
  return true;
}

void RecordStore::drop_code_of(const Place& place) {
  for (const VariantView& v : chunks_.variants_of(place.head)) {
    hears_.code_dropped();
    account_code(v, false);
  }
  chunks_.detach_all(place.head);
}

template <class Value>
std::optional<ChunkNumber> RecordStore::best_chunk(Value value) const {
  std::optional<ChunkNumber> best;
  std::uint64_t most = 0;
  for (const auto& [number, chunk] : chunks_.all()) {
    const std::uint64_t worth = value(chunk);
    if (worth <= most) continue;
    most = worth;
    best = ChunkNumber{number};
  }
  return best;
}

std::optional<ChunkNumber> RecordStore::ripe_chunk() const {
  return best_chunk([](const ChunkStore::Chunk& c) { return c.ripe() ? c.file.bytes() : 0; });
}

bool RecordStore::can_be_emptied(const ChunkStore::Chunk& c) const {
  return c.sealed && chunks_.has_room_for(c.live);
}

std::optional<ChunkNumber> RecordStore::wasteful_chunk(std::uint64_t least_quarters, bool with_history) const {
  return best_chunk([&](const ChunkStore::Chunk& c) {
    const bool worth = c.live != 0 && can_be_emptied(c) && (with_history || c.history == 0) &&
                       c.waste() * 4 >= c.used * least_quarters;
    return worth ? c.waste() : 0;
  });
}

bool RecordStore::empty(std::optional<ChunkNumber> chunk) {
  if (!chunk) return false;
  if (emptying_ && emptying_->chunk == *chunk) emptying_.reset();
  Emptying work{*chunk, kept_from()};
  while (empty_on(work, kBytesPerSlice) == Progress::kMore) continue;
  return !chunks_.has(Address(*chunk, 0));
}

RecordStore::Progress RecordStore::empty_on(Emptying& work, std::uint64_t budget_bytes) {
  const std::uint64_t stop = work.offset + budget_bytes;
  while (work.offset < stop) {
    const Address at(work.chunk, work.offset);
    const auto block = chunks_.block_at(at);
    if (!block) {
      if (!chunks_.chunk(work.chunk).ripe()) return Progress::kDone;
      if (work.kept_from != kept_from()) {  // a deletion that was passed may have expired since: once more
        work = {work.chunk, kept_from()};
        return Progress::kMore;
      }
      give_back(work.chunk);
      return Progress::kDone;
    }
    // What is not given back at once has no claim to the room that emptying takes.
    const Use use = chunks_.chunk(work.chunk).history == 0 ? Use::kMoving : Use::kSource;
    if (!move_block(*block, at, use)) return Progress::kStuck;
    work.offset += block->bytes;
  }
  return Progress::kMore;
}

// Before this store's first root has its name, readers and whoever comes after a kill go by the predecessor's.
void RecordStore::give_back(ChunkNumber number) {
  chunks_.leave(number);
  if (!named_) return;
  // The next agent would take what is not there for lost: see resume_history().
  root_->publication().show(layout::control::kChunks, chunks_.all().size());
  chunks_.give_back_left();
}

// False: there is no room to move it to.
bool RecordStore::move_block(const ChunkStore::BlockView& block, Address at, Use use) {
  if (block.kind == layout::Block::kVariant) {
    const VariantView variant = chunks_.variant_at(at);
    const auto owner = owner_of(variant);
    return !owner || move_record(*owner, use);
  }
  const RecordView record = chunks_.record_at(at);
  if (record.head.shape.space == KeySpace::kLog) return true;
  const auto place = place_of(record.head.shape.space, record.key);
  if (!place || place->head != at) return true;
  if (record.head.shape.kind != RecordKind::kAbsent) return move_record(*place, use);
  if (record.head.created <= kept_from()) drop_slot(*place);
  return true;
}

// The newest version whose code it is; nothing for code of older ones.
std::optional<RecordStore::Place> RecordStore::owner_of(const VariantView& variant) {
  const auto place = root_->place_of({variant.head.key_hash}, [&](Address head) {
    const RecordView record = chunks_.record_at(head);
    return record.head.shape.space == KeySpace::kFile &&
           layout::hash_key(KeySpace::kFile, record.key).value == variant.head.key_hash;
  });
  if (!place || place->head.value == 0) return std::nullopt;
  for (const VariantView& v : chunks_.variants_of(place->head)) {
    if (v.address == variant.address) return place;
  }
  return std::nullopt;
}

bool RecordStore::move_record(const Place& place, Use use) {
  const RecordView old = chunks_.record_at(place.head);
  const std::vector<VariantView> code = chunks_.variants_of(place.head);
  const auto at = place_for(old.head.extent_bytes(), use);
  if (!at) return false;
  chunks_.write_record(*at, old.head, Address(), old.body);
  account_live(*at, old.head.extent_bytes(), true);
  for (const VariantView& v : code) {
    const auto there = place_for(v.head.extent_bytes(), use);
    if (!there) {
      hears_.code_dropped();
      continue;
    }
    chunks_.write_variant(*there, v.head, v.code);
    chunks_.attach(*at, *there);
    account_code(chunks_.variant_at(*there), true);
  }
  publish_slot(place, *at);
  account_live(old.address, old.head.extent_bytes(), false);
  for (const VariantView& v : code) account_code(v, false);
  return true;
}

bool RecordStore::tend() {
  look_at_file_system();
  expire();
  while (ledger_.bytes() > history_allowance() && give_up_history(layout::HistoryLimit::kHistorySize)) continue;
  if (options_.clock().since(ledger_.kept_since()) >= options_.history) history_limit_ = layout::HistoryLimit::kAge;
  const bool grows = building_ && copy_slots(kSlotsPerSlice) && building_;
  if (!emptying_) {
    auto chunk = ripe_chunk();
    if (!chunk) chunk = wasteful_chunk(2, true);
    if (chunk) emptying_ = Emptying{*chunk, kept_from()};
  }
  Progress progress = Progress::kStuck;
  if (emptying_) progress = empty_on(*emptying_, kBytesPerSlice);
  if (progress != Progress::kMore) emptying_.reset();
  return progress != Progress::kStuck || grows;  // after one chunk, perhaps another
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
