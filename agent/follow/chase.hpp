// chase.hpp - which batch is read next, and after which of them the mirror holds one state of Redis.
//
// The last batch of a pursuit is a transaction and carries a mark: a PUBLISH as its last command, whose message stands
// in the stream of changes exactly where the reads stand in Redis' order. Its answers are to be applied once both have
// arrived. Then:
// (H1) What was announced before the mark and read in that transaction is settled by it, whenever the message came.
// (H2) The mirror is at an exact cut if nothing that was announced before the mark is left to read. What is announced
//      behind it does not matter, so that no quiet moment is needed.
// (H3) Nothing is asked for while a marked transaction is under way: no later read can mix with its cut.
// (H4) If the cut is not exact, the next batch reads what is missing; after kPlainRounds of these also what was
//      read since the last cut, so that keys which are written all the time are covered. The bound is kMaxRounds, and
//      a number of reads that grows with the largest backlog; from there on, cut() is kHopeless.
// Without marks, while a synchronisation still looks for names, and for what does not fit the last batch, batches are
// unmarked and several are under way.
// Pure: no clock, no Redis. One thread. Reasons: docs/consistency.md section 3, docs/design/0056-marks-in-the-stream.md
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "agent/follow/refresh_queue.hpp"

namespace bifrost::agent {

// What is known of the state that has been read so far.
enum class Cut {
  kByFences,  // marks are not in force: fences decide
  kExact,     // it is one state of Redis
  kOpen,      // more must be read to know
  kHopeless,  // the bound is reached: writers are too fast
};

class Chase {
 public:
  struct Limits {
    std::size_t paths = 128;         // of one batch: a transaction holds up Redis
    std::uint64_t bytes = 4u << 20;  // of its answers
    // In bulk, batches are small and many, so that Redis and the agent work at the same time: a socket between them
    // holds some thirty modules, and whoever has to wait for the other's batch has nothing to do.
    std::size_t bulk_paths = 16;
    std::size_t under_way = 32;                 // unmarked batches
    std::uint64_t bytes_under_way = 16u << 20;  // from which on no further one is asked for
  };
  static constexpr std::uint64_t kPlainRounds = 3;
  static constexpr std::uint64_t kMaxRounds = 256;
  static constexpr std::uint64_t kMaxReads = 32'768;  // and four times the largest backlog

  enum class Manner {
    kBulk,  // there is more to come before anything may become visible
    kCut,   // towards an exact cut
  };
  struct Batch {
    std::vector<PendingPath> paths;     // may be empty
    std::optional<std::uint64_t> mark;  // its number, from 1 on
  };

  Chase() = default;
  explicit Chase(Limits limits) : limits_(limits) {}

  // What is to be read.
  RefreshQueue& queue() { return queue_; }
  const RefreshQueue& queue() const { return queue_; }

  // Message `at` makes a look at Redis due, whether or not a path is to be read: it pends until a later batch.
  void look(StreamPosition at);
  // Of all that is still to be read or looked at.
  StreamPosition oldest_pending() const;
  bool idle() const { return queue_.idle() && !look_due_ && !looking_; }

  // The batch to send now, if there is one; it counts as sent. `staged`: there are changes to commit. `at`: of the last
  // message.
  std::optional<Batch> next(Manner manner, bool staged, StreamPosition at);

  // The mark of the batch that asked for `asked` has arrived as message `at`. False: it is not the one awaited.
  bool mark_arrived(std::uint64_t number, StreamPosition at, std::span<PendingPath> asked);
  std::size_t under_way() const { return under_way_; }
  bool awaits_mark() const { return mark_ != 0 && !mark_at_; }
  // The answers of the oldest batch under way have been applied (with queue().read_again() for some of them). Of a
  // marked one: only after mark_arrived(). Returns whether the batch was one that might have ended the chase and did
  // not.
  bool finish_oldest();

  // All that was read is visible, or was so before: the bounds of (H4) count anew.
  void settle();

  Cut cut() const;

 private:
  void add_recent(StreamPosition at);
  void note_recent(const std::vector<PendingPath>& paths);

  Limits limits_{};
  RefreshQueue queue_;
  std::size_t under_way_ = 0;
  std::uint64_t last_mark_ = 0;
  std::uint64_t mark_ = 0;                 // of the marked batch under way; 0: none is
  std::optional<StreamPosition> mark_at_;  // where it has arrived
  bool exact_ = false;                     // as of the last batch that was applied

  std::optional<StreamPosition> look_due_;  // no batch has been sent since
  std::optional<StreamPosition> looking_;   // the oldest that a batch under way looks for

  // Since settle().
  std::uint64_t rounds_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t largest_backlog_ = 0;
  // Short values that were read, at most a transaction's worth, and whether the newest question was whether the key
  // exists: that of a key that does not is the only one that decides.
  std::unordered_map<ModulePath, bool, ModulePathHash, ModulePathEqual> recent_;
};

}  // namespace bifrost::agent
