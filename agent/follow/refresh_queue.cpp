#include "agent/follow/refresh_queue.hpp"

#include <algorithm>
#include <utility>

namespace bifrost::agent {

void RefreshQueue::mark(ModulePathView path, StreamPosition at, Doubt doubt) {
  if (const auto found = waiting_.find(path); found != waiting_.end()) {
    PendingPath& known = *found->second;
    if (doubt == Doubt::kChanged || doubt == Doubt::kDeleted) known.explicitly_deleted = doubt == Doubt::kDeleted;
    known.with_presence |= doubt == Doubt::kGone || doubt == Doubt::kDeleted;
    return;
  }
  PendingPath& pending = queue_.emplace_back(PendingPath{ModulePath(path), at, doubt == Doubt::kDeleted});
  pending.with_presence = doubt == Doubt::kGone || doubt == Doubt::kDeleted;
  waiting_.emplace(pending.path, &pending);
}

std::vector<PendingPath> RefreshQueue::take(std::size_t max_paths, std::uint64_t max_bytes) {
  std::vector<PendingPath> batch;
  std::uint64_t bytes = 0;
  while (batch.size() < max_paths && waiting() != 0) {
    std::deque<PendingPath>& from = again_.empty() ? queue_ : again_;
    bytes += from.front().answer_bytes();
    if (bytes > max_bytes && !batch.empty()) break;
    if (again_.empty()) waiting_.erase(from.front().path);
    batch.push_back(std::move(from.front()));
    from.pop_front();
  }
  if (batch.empty()) return batch;
  Batch& taken = batches_.emplace_back(Batch{kNothingPending, {}});
  for (const PendingPath& p : batch) {
    taken.first_mark = std::min(taken.first_mark, p.first_mark);
    taken.paths.push_back(p.path);
  }
  return batch;
}

void RefreshQueue::mark_in_flight(StreamPosition at) {
  for (const Batch& batch : batches_) {
    for (const ModulePath& path : batch.paths) mark(path, at, Doubt::kGone);
  }
}

void RefreshQueue::finish_oldest_batch() {
  batches_.pop_front();
}

StreamPosition RefreshQueue::oldest_pending() const {
  StreamPosition oldest = queue_.empty() ? kNothingPending : queue_.front().first_mark;
  for (const PendingPath& p : again_) oldest = std::min(oldest, p.first_mark);
  for (const Batch& b : batches_) oldest = std::min(oldest, b.first_mark);
  return oldest;
}

void RefreshQueue::clear() {
  waiting_.clear();
  queue_.clear();
  again_.clear();
  batches_.clear();
}

}  // namespace bifrost::agent
