#include "agent/refresh_queue.hpp"

#include <algorithm>
#include <utility>

namespace bifrost::agent {

void RefreshQueue::mark(std::string_view path, StreamPosition at, Doubt doubt) {
  if (const auto found = waiting_.find(path); found != waiting_.end()) {
    if (doubt != Doubt::kUnspecific) found->second->explicitly_deleted = doubt == Doubt::kDeleted;
    return;
  }
  PendingPath& pending = queue_.emplace_back(PendingPath{std::string(path), at, doubt == Doubt::kDeleted});
  waiting_.emplace(pending.path, &pending);
}

std::vector<PendingPath> RefreshQueue::take(std::size_t limit) {
  std::vector<PendingPath> batch;
  while (batch.size() < limit && !queue_.empty()) {
    waiting_.erase(queue_.front().path);
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (!batch.empty()) batches_.push_back(batch.front().first_mark);
  return batch;
}

void RefreshQueue::finish_oldest_batch() {
  batches_.pop_front();
}

StreamPosition RefreshQueue::oldest_pending() const {
  StreamPosition oldest = queue_.empty() ? kNothingPending : queue_.front().first_mark;
  for (const StreamPosition p : batches_) oldest = std::min(oldest, p);
  return oldest;
}

void RefreshQueue::clear() {
  waiting_.clear();
  queue_.clear();
  batches_.clear();
}

}  // namespace bifrost::agent
