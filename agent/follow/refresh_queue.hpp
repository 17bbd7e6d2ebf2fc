// refresh_queue.hpp - which paths must be read again, in the order in which they became doubtful.
//
// Messages are numbered as they arrive. A path waits once however often it is marked, under the number of its first
// mark; while it is being read, a further mark queues it again, because the read may have happened before that write.
// From the numbers follows what is known: once oldest_pending() is past a message, its effect is in the segment's
// staged changes. Pure: no clock, no Redis. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/module_path.hpp"

namespace bifrost::agent {

// Position in the stream of messages.
struct StreamPosition {
  std::uint64_t value = 0;
  auto operator<=>(const StreamPosition&) const = default;
};

struct PendingPath {
  // Most values are small and take one question. A longer one is measured first and then read by its size, so that the
  // bytes of a batch are known before it is asked for.
  // kEntry: nothing but whether the index lists it.
  enum class Read { kSmall, kMeasure, kSized, kEntry };
  static constexpr std::uint64_t kSmallBytes = 32 * 1024;

  // What the last message about the path that told the kind of change said.
  enum class Told { kNothing, kChange, kWrite, kDeletion };

  ModulePath path;
  StreamPosition first_mark;
  Told told = Told::kNothing;
  Read read = Read::kSmall;
  std::uint64_t size_bytes = 0;  // kSized
  // Also ask whether the key exists, for how long, and whether the index lists it. Most reads find a value, which says
  // all of that by itself: the rest is asked when there is a reason to.
  bool with_presence = false;
  std::optional<StreamPosition> announced = {};  // of the last message that may be about a write

  // What was said of it later.
  void hear(const PendingPath& later);

  // The most that its answer can hold.
  std::uint64_t answer_bytes() const {
    return read == Read::kSmall ? kSmallBytes : read == Read::kSized ? size_bytes : 0;
  }
};

class RefreshQueue {
 public:
  static constexpr StreamPosition kNothingPending{std::numeric_limits<std::uint64_t>::max()};

  enum class Doubt {
    kUnspecific,  // nobody has said so
    kTouched,     // something happened: says nothing about deletion
    kChanged,     // expired, evicted, given another time to live, ...
    kWritten,     // by a writer
    kGone,        // probably gone, for whatever reason
    kDeleted,     // deleted on purpose
    kDelisted,    // taken out of the index, perhaps
  };
  void mark(ModulePathView path, StreamPosition at, Doubt doubt = Doubt::kUnspecific);

  // Marks what is being read right now: those reads may have happened before whatever `at` speaks of. Not that of the
  // newest `after` batches.
  void mark_in_flight(StreamPosition at, Doubt doubt, std::size_t after = 0);

  // Takes up to `max_paths` whose answers hold up to `max_bytes` together, or one that is larger, and up to
  // kMostEntries of which only the index entry is asked; oldest first. They count as pending until
  // finish_oldest_batch() of the same batch.
  std::vector<PendingPath> take(std::size_t max_paths, std::uint64_t max_bytes);
  // As take(), of a batch that asks for no path.
  void take_nothing() { batches_.push_back({kNothingPending, 0, {}}); }
  // One that was taken turned out to need another question. Call before its batch is finished: it stays pending.
  void read_again(PendingPath pending);
  // The oldest batch that was taken has been applied: batches finish in the order in which they were taken.
  void finish_oldest_batch();

  // `read` was executed after every message so far: if that settles what the path waits for, it waits no more. What was
  // known of it then.
  std::optional<PendingPath> withdraw(const PendingPath& read);

  // The value of this path is long: it is asked for by its size at once, with room to grow. 0: it is not.
  void expect_size(ModulePathView path, std::uint64_t size_bytes);

  std::size_t waiting() const { return waiting_.size(); }
  bool waits(ModulePathView path) const { return waiting_.find(path) != waiting_.end(); }
  // The most that the answers of all that waits can hold together.
  std::uint64_t waiting_bytes() const;
  // The most that the answers of the batches that are being read can hold together.
  std::uint64_t bytes_in_flight() const;
  bool idle() const { return waiting_.empty() && batches_.empty(); }
  StreamPosition oldest_pending() const;

 private:
  static constexpr std::size_t kMostEntries = 4000;
  using Waiting = std::list<PendingPath>;
  Waiting queue_;  // by first_mark
  Waiting again_;  // taken before and to be taken first: older than all of queue_
  struct Place {
    Waiting* list = nullptr;
    Waiting::iterator at;
  };
  std::unordered_map<ModulePathView, Place, ModulePathHash> waiting_;                    // into both lists
  std::unordered_map<ModulePath, std::uint64_t, ModulePathHash, ModulePathEqual> long_;  // expected bytes
  struct Batch {
    StreamPosition first_mark;
    std::uint64_t bytes = 0;
    std::vector<ModulePath> paths;
  };
  std::optional<PendingPath> take_back(ModulePathView path);
  std::deque<Batch> batches_;  // being read
};

}  // namespace bifrost::agent
