// segment_writer.hpp - the agent's view of the segment: stage any number of changes, make them visible at once.
//
// Staged changes are written at once but carry the next generation, so no reader sees them before commit(). Under
// memory pressure the writer first gives up old snapshots (reuse), then builds a successor of twice the size (growth)
// or, at max_size or where the file system has no room for that, of the same size without the gaps (compaction), and
// when that does not help records that a module is not mirrored. It never leaves an old version in the place of one
// that did not fit.
// One writer per segment directory (the agent holds its lock); one thread.
// (W1) Between commits, readers of the published generation see no change at all.
// (W2) A successor is published only by commit(), with every staged change in it.
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
#include "common/layout/segment_layout.hpp"
#include "common/writer/node_tree.hpp"
#include "common/writer/segment_table.hpp"

namespace bifrost {

struct WriterOptions {
  std::string dir;
  std::uint64_t size_bytes = 32u << 20;
  std::uint64_t max_size_bytes = std::uint64_t{4} << 30;
  AgentIdentity identity;
  Generation after;  // the last generation of the segment before; the first commit makes the next one
};

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
  bool complete = false;
  bool redis_connected = false;
  std::uint64_t signals = 0;
};

class SegmentWriter {
 public:
  // Builds a segment without a name; the first commit() publishes it. Sizes are rounded up to whole pages.
  static Result<std::unique_ptr<SegmentWriter>> create(const WriterOptions& options);

  // `path` ends in ".py" and has at most kMaxKeyBytes, `token` at most kMaxTokenBytes.
  Put put_source(std::string_view path, std::string_view content, std::string_view token);
  // The module exists in Redis, but workers must ask for it there. `reason` is a few words for operators.
  Put put_not_mirrored(std::string_view path, std::string_view reason);
  // kUnchanged when there was nothing to remove; kNoRoom when the old version stays visible (starved()): try again.
  Put remove(std::string_view path);
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
  // Commits only when something is staged.
  Result<Generation> commit_staged() { return staged_ ? commit() : Result<Generation>(generation_); }

  void publish_sync(BootTime synced_through, BootTime lease_until);
  void revoke_lease() { publish_sync(synced_through_, BootTime{0}); }
  void set_link_state(const LinkState& state);
  void heartbeat(BootTime now);
  void count(Counter counter, std::uint64_t n = 1);

  // The published file still has its name. False when somebody removed or replaced it.
  bool published() const { return shown().file().has_its_name(); }
  // A successor has been built and waits for the next commit to give it the name.
  bool awaits_publication() const { return !named_; }
  // Builds a successor of the same size with a new file, to be published by the next commit.
  Status republish();

  // Nothing more fits at all: an old version may still be visible, so no lease may be given until this ends.
  // After it, read everything again.
  bool starved() const { return starved_; }
  // Some key found no slot: a miss does not mean that Redis has no such module.
  bool incomplete() const { return incomplete_; }
  // Before everything is read again.
  void forget_shortage() { starved_ = incomplete_ = false; }
  std::uint64_t modules() const { return modules_; }
  std::uint64_t not_mirrored() const { return not_mirrored_; }
  // Of those not mirrored, the ones that would be if there were room.
  std::uint64_t without_room() const { return without_room_; }

 private:
  explicit SegmentWriter(WriterOptions options) : options_(std::move(options)) {}

  struct Change {
    layout::KeySpace space = layout::KeySpace::kFile;
    layout::RecordKind kind = layout::RecordKind::kAbsent;
    std::string_view key;
    std::string_view token;
    std::string_view content;
    SlotNumber link;
  };
  Put stage(const Change& change);
  Put stage_file(const Change& change);
  void stage_node(const std::string& node);
  void note_no_room(layout::KeySpace space, std::string_view key);
  std::optional<SegmentTable::Place> place_with_room(const Change& change);
  std::optional<RecordOffset> allocate(std::uint64_t extent_bytes, SegmentTable::Use use);
  Status grow(std::uint64_t needed_bytes);
  Status compact(std::uint64_t needed_bytes, SegmentTable::Use use);
  Status move_to_successor(std::uint64_t bytes, std::uint64_t needed_bytes);
  void move_code(SegmentTable& to, std::uint64_t needed_bytes);
  void count_code(const SegmentTable& table, const RecordView& record, std::uint64_t by);
  CodeShare* share_of(const CodeTag& tag);
  void account(const RecordView* before, const Change& change);
  void copy_control_block(SegmentTable& from, SegmentTable& to);
  void show_numbers();

  Generation next() const { return {generation_.value + 1}; }
  // What readers can see: until a successor is published, the table before it.
  SegmentTable& shown() { return previous_ ? *previous_ : *table_; }
  const SegmentTable& shown() const { return previous_ ? *previous_ : *table_; }

  WriterOptions options_;
  std::unique_ptr<SegmentTable> table_;     // where changes go
  std::unique_ptr<SegmentTable> previous_;  // still published while `table_` is its unpublished successor
  PredecessorSegment predecessor_;          // of the agent before, until the first commit
  bool named_ = false;                      // table_ has its name
  NodeTree nodes_;
  Generation generation_;
  BootTime synced_through_;
  bool staged_ = false;
  std::uint64_t moves_ = 0;               // successors built
  std::uint64_t written_since_move_ = 0;  // bytes of records staged since the last successor was built
  bool starved_ = false;
  bool incomplete_ = false;
  bool file_system_full_ = false;  // the last successor found no room for its file
  std::uint64_t modules_ = 0;
  std::uint64_t not_mirrored_ = 0;
  std::uint64_t without_room_ = 0;
  std::uint64_t retained_ = 0;
  std::uint64_t node_count_ = 0;
  std::vector<CodeShare> code_;  // at most layout::control::kCodeTagCapacity
};

}  // namespace bifrost
