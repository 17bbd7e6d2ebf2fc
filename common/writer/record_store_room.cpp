// The decisions about room: who gets the last of it, what goes when there is none, and what is moved together.
#include <sys/statvfs.h>

#include <algorithm>
#include <vector>

#include "common/writer/record_store.hpp"

namespace bifrost {
namespace {

using layout::KeySpace;
using layout::RecordKind;

constexpr std::uint64_t kSlotsPerSlice = 512;       // each a cache miss or two, and a fence takes several turns
constexpr std::uint64_t kBytesPerSlice = 1u << 20;  // moved out of a chunk
constexpr std::uint64_t kLeastHistoryBytes = 256u << 20;
constexpr std::uint64_t kLeastHeadroom = 64u << 10;
constexpr int kMostAttempts = 4096;  // to make room for one block: each frees something

}  // namespace

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
  return c.sealed && !c.damaged && chunks_.has_room_for(c.live);
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
      ChunkStore::Chunk& chunk = chunks_.chunk(work.chunk);
      chunk.damaged = work.offset < chunk.used;
      if (!chunk.ripe()) return Progress::kDone;
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

}  // namespace bifrost
