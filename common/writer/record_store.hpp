// record_store.hpp - where versions are kept and for how long: the decisions about room.
//
// Slots lead to newest versions, chunks hold them, the ledger knows what is out of date. Memory is never used again in
// place: it is appended to, and given back chunk by chunk. Whatever takes long is done in slices (tend).
// Under pressure goes, in this order: history by age, history younger than promised, compiled code: see
// record_store_room.cpp. One thread.
// (K1) A version that a snapshot within the promise needs stays where it is: see kept_from().
// (K2) What is moved away from a chunk is the same version, found through the same slot, before the chunk goes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/writer/adopted_history.hpp"
#include "common/writer/chunk_store.hpp"
#include "common/writer/history_ledger.hpp"
#include "common/writer/slot_table.hpp"

namespace bifrost {

struct StoreOptions {
  std::string dir;
  std::uint64_t max_size_bytes = std::uint64_t{4} << 30;  // root and chunks, history included
  std::chrono::milliseconds history{3'600'000};           // how long superseded versions stay readable
  std::optional<std::uint64_t> history_bytes;             // how much of them; by default, as much as is mirrored
  AgentIdentity identity;
  BootTime (*clock)() = boot_now;
};

class RecordStore {
 public:
  using Place = SlotTable::Place;
  // Who may take the last of the room. Code leaves the most to others; sources leave some to new names, by which misses
  // say that there is no module; these leave some to what must never fail: deletions and "not mirrored" are what keeps
  // an old version from being served. All leave a chunk to moving, by which room is made.
  enum class Use { kCode, kSource, kName, kHeadroom, kMoving };

  struct Hears {
    std::function<void(const CodeTag&, bool more)> code_counted;  // of a newest version: one more, or one less
    std::function<void()> code_dropped;                           // for lack of room
    std::function<void(bool before_its_time)> history_given_up;   // an entry of the ledger, for lack of room
    std::function<void()> root_replaced;
  };

  // A store without a name: name_root() gives it one. Errors: kNoSpace, kPermission, kIo.
  static Result<std::unique_ptr<RecordStore>> create(const StoreOptions& options, StoreId id, Hears hears);

  ~RecordStore();
  RecordStore(const RecordStore&) = delete;
  RecordStore& operator=(const RecordStore&) = delete;

  // --- Versions ------------------------------------------------------------------------------------------------

  // Where a key lives or would live. Nothing when there are no slots left for another key.
  std::optional<Place> place_of(layout::KeySpace space, std::string_view key);
  RecordView record_at(Address at) const { return chunks_.record_at(at); }
  std::vector<VariantView> variants_of(const RecordView& record) const { return chunks_.variants_of(record.address); }

  // Writes a version of `key` that readers see once its generation is published; what was newest until now becomes
  // history, unless it was never visible. False: no room.
  bool add(layout::KeySpace space, std::string_view key, RecordHead head, std::string_view body, bool keeps_code,
           Use use, Generation next);
  // The same without a slot: the record of a commit. 0: no room.
  Address add_commit(const RecordHead& head, std::string_view body);
  // False: no room. `record`: a newest version.
  bool attach(layout::KeySpace space, std::string_view key, const VariantHead& head, std::string_view code);
  void mark(const RecordView& record, std::uint64_t marks) { chunks_.mark(record.address, marks); }
  // `generation` has become visible: what was superseded for it is dated.
  void committed(Generation generation);

  // --- Taking over ---------------------------------------------------------------------------------------------

  // The root of the agent before, which is retired when this store's first root has its name. Errors: as
  // SegmentFile::adopt().
  Status take_over_root();
  // A chunk of the agent before; then each of its newest versions that is sound, with its code or without.
  Status adopt_chunk(ChunkNumber number) { return chunks_.adopt(number); }
  Status share_chunks() { return chunks_.share(root_->file()); }
  // More than there may be; or, if it may take less than the agent before, more than leaves room to go on.
  bool has_adopted_too_much(bool shrinks) const;
  void leave_chunk(ChunkNumber number) { chunks_.leave(number); }
  bool adopt_record(Address at, bool with_code);
  // The version before `newer`, which has been adopted, as history: its address, to go on from there. 0: there is none
  // that a snapshot within the history needs.
  Address adopt_older(Address newer);
  // The newest commit, as far as it was published. 0: there is none within the history.
  Address adopt_log();
  // From now on history goes in the order of its generations, as it would have. It counts as long as `newest` is the
  // generation of the root that was taken over, and each of that root's chunks is still there. What is neither that nor
  // adopted is waste.
  void adopted(Generation newest);
  // After that: moves what is live out of chunks that are too large for this store, a slice of it. True: all is done.
  bool empty_too_large();

  // --- Room ----------------------------------------------------------------------------------------------------

  // One slice of what is to be done: expire, give back, move together, grow the table. True: there is more.
  bool tend();

  // --- Roots ---------------------------------------------------------------------------------------------------

  // What readers see. Another takes its place when the table has grown, with all that is staged.
  SlotTable& root() { return *root_; }
  const SlotTable& root() const { return *root_; }
  bool named() const { return named_; }
  // Gives the first root its name, with `generation` in it; does nothing once it has had one.
  Status name_root(Generation generation);
  // A new root of the same size in place of one that lost its name.
  Status rebuild_root();

  const ChunkStore& chunks() const { return chunks_; }
  const HistoryLedger& ledger() const { return ledger_; }
  Generation kept_from() const { return ledger_.kept_from(); }
  layout::HistoryLimit history_limit() const { return history_limit_; }
  ChunkStore::Full full() const { return chunks_.full(); }
  std::uint64_t size_bytes() const;
  std::uint64_t live_bytes() const { return live_bytes_; }  // with code
  std::uint64_t code_bytes() const { return code_bytes_; }

 private:
  RecordStore(StoreOptions options, StoreId id, Hears hears);

  std::uint64_t bytes_of_deletion(layout::KeySpace space, std::string_view key, Generation next);
  bool is_too_large(ChunkNumber number) const;
  void give_back(ChunkNumber number);
  bool sound_block(Address at, layout::Block kind) const;
  bool adopt_history(Address at, std::uint64_t bytes, Generation since);
  bool resume_history(const WriteWords& before, Generation newest);
  void note_history(Address at, std::uint64_t bytes);
  // Room for a block, without making any.
  std::optional<Address> place_for(std::uint64_t bytes, Use use);
  std::optional<Address> allocate(std::uint64_t bytes, Use use);
  ChunkStore::Keep kept_from(Use use) const;
  std::uint64_t history_allowance() const;
  void look_at_file_system();
  void plan_chunks();
  // Frees something, whatever it takes for `use`. False: there is nothing left to free.
  bool make_room(Use use);
  void expire();
  bool give_up_history(layout::HistoryLimit why);
  // Of the chunk that holds most; false: there is none left.
  bool give_up_code();
  void drop_code_of(const Place& place);
  void forget(const HistoryLedger::Entry& history);
  // The chunk of which `value` makes the most; nothing where it is always 0.
  template <class Value>
  std::optional<ChunkNumber> best_chunk(Value value) const;
  std::optional<ChunkNumber> ripe_chunk() const;
  // One that finds no room elsewhere gives nothing back, and what was moved of it is lost room.
  bool can_be_emptied(const ChunkStore::Chunk& chunk) const;
  std::optional<ChunkNumber> wasteful_chunk(std::uint64_t least_quarters, bool with_history) const;
  // Moves what is live out of a chunk, and drops slots that nobody needs; then gives it back if nothing is left in it.
  struct Emptying {
    ChunkNumber chunk;
    Generation kept_from;  // when it began
    std::uint64_t offset = layout::chunk::kHeaderBytes;
  };
  enum class Progress { kMore, kDone, kStuck };  // stuck: no room to move anything to
  Progress empty_on(Emptying& work, std::uint64_t budget_bytes);
  // All at once. True: it has been given back.
  bool empty(std::optional<ChunkNumber> chunk);
  bool move_block(const ChunkStore::BlockView& block, Address at, Use use);
  bool move_record(const Place& place, Use use);
  void account_live(Address at, std::uint64_t bytes, bool add);
  void account_code(const VariantView& code, bool add);
  void out_of_date(const RecordView& version, bool never_visible, bool with_code);
  std::optional<Place> owner_of(const VariantView& variant);

  void publish_slot(const Place& place, Address record);
  void drop_slot(const Place& place);
  void grow_table_if_due();
  Status begin_table(std::uint64_t slot_count);
  // Done when all of them have been copied, and the new table is the root.
  Status copy_slots(std::uint64_t count);
  Status replace_root();
  std::optional<Place> place_in_building(layout::KeyHash hash, Address head);

  StoreOptions options_;
  Hears hears_;
  ChunkStore chunks_;
  HistoryLedger ledger_;
  std::unique_ptr<SlotTable> root_;
  std::unique_ptr<SlotTable> building_;  // being filled from root_
  std::uint64_t copied_ = 0;             // slots of root_ that have been
  bool named_ = false;
  std::optional<Emptying> emptying_;
  std::vector<ChunkNumber> too_large_;      // of what was adopted
  std::optional<SegmentFile> predecessor_;  // root of the agent before, until it is retired
  AdoptedHistory adopted_history_;          // until adopted()
  layout::HistoryLimit history_limit_ = layout::HistoryLimit::kAge;
  std::uint64_t file_system_bytes_ = ~std::uint64_t{0};
  std::uint64_t live_bytes_ = 0;
  std::uint64_t code_bytes_ = 0;
};

}  // namespace bifrost
