// segment_writer.hpp - the agent's view of the segment: stage any number of changes, make them visible at once.
//
// Staged changes are written at once but carry the next generation, so no reader sees them before commit(). What does
// not fit is recorded as not mirrored; an old version is never left in the place of one that did not fit.
// One writer per segment directory (the agent holds its lock); one thread.
// (W1) Between commits, readers of the published generation see no change at all.
// (W2) Every root that has the name has every committed change in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/layout/counters.hpp"
#include "common/writer/node_tree.hpp"
#include "common/writer/record_store.hpp"

namespace bifrost {

enum class Put {
  kStaged,     // visible at the next commit
  kUnchanged,  // the newest version already says so
  kNoRoom,     // it fits nowhere: of a source or a reason, staged as not mirrored if that fits
};

enum class Attach {
  kAttached,  // visible at once
  kPresent,   // it was there already
  kOutdated,  // the newest version is not the one that was compiled
  kNoRoom,    // workers compile the source themselves
};

// How much compiled code there is for one interpreter.
struct CodeShare {
  CodeTag tag;
  std::uint64_t modules = 0;
  bool made_here = false;  // by an interpreter of this agent, not only taken over from the one before
};

// The words of the control block that the agent sets as its situation changes.
struct LinkState {
  layout::AgentState state = layout::AgentState::kStarting;
  bool redis_connected = false;
  std::uint64_t signals = 0;
  layout::Cuts cuts = layout::Cuts::kUnknown;
  std::uint64_t deploying_since_unix_ms = 0;  // 0: no deploy is going on
};

// What a writer has adopted of what readers of the root before see.
enum class Taken {
  kLess,      // something is not there: that is another state, of the next generation, and without history
  kAll,       // which may not be all that Redis has
  kComplete,  // and a miss was an answer
};

class SegmentWriter {
 public:
  // A segment of its own, without a name: the first commit() publishes it, as the generation after `after`. Errors:
  // kNoSpace, kPermission, kIo.
  static Result<std::unique_ptr<SegmentWriter>> create(const StoreOptions& options, Generation after = {});
  // One that goes on where another agent has ended, in the same store; at a later generation if `newest` says so. Then
  // adopt_chunk() for each of its chunks, adopt_log(), for each slot of its root adopt() of what readers see there,
  // after each of them adopt_older() until that is all, adopted(), empty_too_large() and stage_touched_nodes() until
  // they are done, and publish().
  static Result<std::unique_ptr<SegmentWriter>> succeed(const StoreOptions& options, StoreId store, Generation newest);

  // The last that the agent before has begun, as far as its root tells.
  ChunkNumber newest_chunk() const { return store_->chunks().newest(); }
  Status adopt_chunk(ChunkNumber number) { return store_->adopt_chunk(number); }
  // Those who may read this writer's root may read the chunks, whatever rights the agent before gave them. Errors:
  // kPermission, kIo: some may not; nothing else is amiss.
  Status share_chunks() { return store_->share_chunks(); }
  // Whether what was adopted leaves too little room to go on; and what to do about it, before any record is adopted.
  bool has_adopted_too_much(bool shrinks) const { return store_->has_adopted_too_much(shrinks); }
  void leave_chunk(ChunkNumber number) { store_->leave_chunk(number); }
  // A newest version that has been verified, and whether its code has been. False when no slot is left for its key.
  bool adopt(Address record, bool with_code);
  // See RecordStore.
  Address adopt_older(Address newer) { return store_->adopt_older(newer); }
  Address adopt_log() { return store_->adopt_log(); }
  // Unless that is complete, no other name is shown before know_every_file(): what looks like a namespace may be a
  // package.
  void adopted(Taken taken);
  void know_every_file();
  bool empty_too_large() { return store_->empty_too_large(); }
  // Stages what names mean where that has changed or is not what was adopted; of at most so many nodes. True when none
  // is left. commit() and publish() do the rest by themselves.
  bool stage_touched_nodes(std::size_t most = ~std::size_t{0});
  bool has_chunk(Address at) const { return store_->chunks().has(at); }
  // Gives the segment its name as it is, at the generation that it has; at the next one if what was adopted needs a
  // change. Errors: as commit().
  Status publish();

  // `path` ends in ".py" and has at most kMaxKeyBytes, `token` at most kMaxTokenBytes.
  Put put_source(std::string_view path, std::string_view content, std::string_view token);
  // The module exists in Redis, but workers must ask for it there. `reason` is a few words for operators.
  Put put_not_mirrored(std::string_view path, std::string_view reason);
  // kUnchanged when there was nothing to remove; kNoRoom when the old version stays visible (starved()): try again.
  Put remove(std::string_view path, layout::Reason reason = layout::Reason::kChange);
  // Sets or clears one mark of the newest version. Takes effect at once, without a commit; a new version starts
  // without.
  void mark(std::string_view path, layout::Mark mark, bool on);

  // The newest version of a path with source, staged or published; nothing when there is none. Valid until the next
  // change.
  std::optional<RecordView> source_of(std::string_view path) const;
  bool has_code(std::string_view path, const CodeTag& tag) const;
  // Hangs code on the newest version of `path`, if that is what `digest` says was compiled. Needs no commit.
  Attach attach_code(std::string_view path, const layout::Checksum& digest, const CodeTag& tag, std::string_view code);
  // An interpreter of this agent makes code with this tag. False when there are too many tags.
  bool announce_tag(const CodeTag& tag);
  const std::vector<CodeShare>& code() const { return code_; }

  bool has_staged() const { return staged_; }
  Generation generation() const { return generation_; }

  // Makes everything staged visible as the next generation, and gives the segment its name if it has none yet.
  // On error nothing has become visible; try again.
  Result<Generation> commit();
  // One slice, of a few milliseconds at most, of what keeps memory in order. True: there is more to do soon.
  bool tend();

  // `held_since`: the mirror does not show all that was written since, and acknowledged before `synced_through`. 0: it
  // does.
  void publish_sync(BootTime synced_through, BootTime lease_until, BootTime held_since = {});
  void revoke_lease() { publish_sync(synced_through_, BootTime{0}, held_since_); }
  void set_link_state(const LinkState& state);
  // Whether a miss at this generation, and at those after it, means that Redis had no such module when they were last
  // in sync. What is said stays true of a generation without a link; a commit that lacks names takes it back by itself.
  void show_complete(bool complete);
  // Of the server that the mirror is in sync with. Cut to what the layout holds.
  void show_run_id(std::string_view run_id);
  void heartbeat(BootTime now);
  void count(Counter counter, std::uint64_t n = 1);

  // Somebody has removed or replaced the root.
  bool lost_its_name() const { return store_->named() && !store_->root().file().has_its_name(); }
  // Publishes a copy of it, at today's generation; what is staged stays staged. Errors: kNoSpace, kPermission, kIo.
  Status republish() { return store_->rebuild_root(); }
  // False when a chunk has lost its name: what was in it, only those can read who have it mapped.
  bool has_all_chunks() const { return store_->chunks().all_have_their_names(); }

  // Nothing more fits at all: an old version may still be visible, so no lease may be given until this ends.
  // After it, read everything again.
  bool starved() const { return starved_; }
  // Some name found no room, and is not there at all: a miss does not mean that Redis has no such module.
  bool incomplete() const { return incomplete_; }
  // Before everything is read again. The next commit tries again to show the names that found no room.
  void forget_shortage();
  std::uint64_t modules() const { return modules_; }
  std::uint64_t not_mirrored() const { return not_mirrored_; }
  // Of those not mirrored, the ones that would be if there were room.
  std::uint64_t without_room() const { return without_room_; }

 private:
  explicit SegmentWriter(StoreOptions options) : options_(std::move(options)) {}
  static Result<std::unique_ptr<SegmentWriter>> open(const StoreOptions& options, StoreId store, Generation generation);

  struct Change {
    layout::KeySpace space = layout::KeySpace::kFile;
    layout::RecordKind kind = layout::RecordKind::kAbsent;
    std::string_view key;
    std::string_view token;
    std::string_view content;
    layout::Word link = 0;
    layout::Reason reason = layout::Reason::kChange;
  };
  RecordStore::Use use_of(const Change& change) const;
  Put stage(const Change& change);
  Put stage_file(const Change& change);
  void stage_node(const std::string& node);
  void try_names_again();
  void write_commit();
  bool shows(layout::KeySpace space, std::string_view key) const;
  void note_no_room(layout::KeySpace space, std::string_view key);
  void count(const RecordView& record, std::uint64_t by);
  CodeShare* share_of(const CodeTag& tag);
  void show_numbers();
  std::optional<RecordView> newest(layout::KeySpace space, std::string_view key) const;

  Generation next() const { return {generation_.value + 1}; }
  Publication& shown() { return store_->root().publication(); }

  StoreOptions options_;
  std::unique_ptr<RecordStore> store_;
  NodeTree nodes_;
  std::vector<std::string> to_stage_;  // nodes, the next one last
  std::set<std::string> left_out_;     // nodes that have their files but no room, and are not there
  Generation generation_;
  BootTime synced_through_;
  BootTime held_since_;
  bool staged_ = false;
  std::vector<Address> changed_;  // file records staged, at most layout::commit::kMaxListed
  std::uint64_t changes_ = 0;     // how many there were
  bool starved_ = false;
  bool incomplete_ = false;
  bool adopts_names_ = true;  // those that adopted files make
  std::uint64_t modules_ = 0;
  std::uint64_t not_mirrored_ = 0;
  std::uint64_t without_room_ = 0;
  std::uint64_t retained_ = 0;
  std::uint64_t node_count_ = 0;
  std::vector<CodeShare> code_;  // at most layout::control::kCodeTagCapacity
};

}  // namespace bifrost
