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
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bifrost::agent {

// Position in the stream of messages.
struct StreamPosition {
  std::uint64_t value = 0;
  auto operator<=>(const StreamPosition&) const = default;
};

struct PendingPath {
  std::string path;
  StreamPosition first_mark;
  bool explicitly_deleted = false;  // the last message about it was a deletion on purpose
};

class RefreshQueue {
 public:
  static constexpr StreamPosition kNothingPending{std::numeric_limits<std::uint64_t>::max()};

  enum class Doubt {
    kUnspecific,  // something happened: says nothing about deletion
    kChanged,     // written, expired, evicted, ...
    kDeleted,     // deleted on purpose
  };
  void mark(std::string_view path, StreamPosition at, Doubt doubt = Doubt::kUnspecific);

  // Marks what is being read right now: those reads may have happened before whatever `at` speaks of.
  void mark_in_flight(StreamPosition at);

  // Takes up to `limit` paths, oldest first; they count as pending until finish() of the same batch.
  std::vector<PendingPath> take(std::size_t limit);
  // The oldest batch that was taken has been applied: batches finish in the order in which they were taken.
  void finish_oldest_batch();

  std::size_t waiting() const { return queue_.size(); }
  bool idle() const { return queue_.empty() && batches_.empty(); }
  StreamPosition oldest_pending() const;
  void clear();

 private:
  std::deque<PendingPath> queue_;                               // by first_mark
  std::unordered_map<std::string_view, PendingPath*> waiting_;  // into queue_: a deque does not move its elements
  struct Batch {
    StreamPosition first_mark;
    std::vector<std::string> paths;
  };
  std::deque<Batch> batches_;  // being read
};

}  // namespace bifrost::agent
