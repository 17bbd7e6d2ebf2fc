#include "agent/follow/chase.hpp"

#include <algorithm>
#include <utility>

namespace bifrost::agent {

std::optional<Chase::Batch> Chase::next(Manner manner, bool staged, StreamPosition at) {
  if (mark_ != 0 || under_way_ >= limits_.under_way) return std::nullopt;
  if (queue_.bytes_in_flight() >= limits_.bytes_under_way) return std::nullopt;
  const bool towards_cut = manner == Manner::kCut;
  largest_backlog_ = std::max<std::uint64_t>(largest_backlog_, queue_.waiting());
  const bool cut_due = towards_cut && staged && !exact_;
  if (queue_.waiting() == 0 && ((!cut_due && !look_due_) || under_way_ != 0)) return std::nullopt;
  if (towards_cut && rounds_ >= kPlainRounds) add_recent(at);
  Batch batch{queue_.take(towards_cut ? limits_.paths : limits_.bulk_paths, limits_.bytes), std::nullopt};
  reads_ += batch.paths.size();
  if (towards_cut) note_recent(batch.paths);
  if (towards_cut && queue_.waiting() == 0) {
    mark_ = ++last_mark_;
    mark_at_.reset();
    batch.mark = mark_;
  }
  if (batch.paths.empty()) queue_.take_nothing();
  ++under_way_;
  exact_ = false;  // its answers come one by one, and each may stage a change
  if (look_due_ && queue_.waiting() == 0) {
    looking_ = looking_ ? std::min(*looking_, *look_due_) : *look_due_;
    look_due_.reset();
  }
  return batch;
}

void Chase::look(StreamPosition at) {
  if (!look_due_) look_due_ = at;
}

StreamPosition Chase::oldest_pending() const {
  StreamPosition oldest = queue_.oldest_pending();
  if (look_due_) oldest = std::min(oldest, *look_due_);
  if (looking_) oldest = std::min(oldest, *looking_);
  return oldest;
}

bool Chase::mark_arrived(std::uint64_t number, StreamPosition at, std::span<PendingPath> asked) {
  if (mark_ == 0 || number != mark_ || mark_at_) return false;
  mark_at_ = at;
  look_due_.reset();
  for (PendingPath& read : asked) {
    if (const auto settled = queue_.withdraw(read)) read.hear(*settled);
  }
  return true;
}

bool Chase::finish_oldest() {
  const bool last = under_way_ == 1;
  const bool marked = mark_ != 0 && last;  // which is always the last one that was sent
  --under_way_;
  queue_.finish_oldest_batch();
  if (last) looking_.reset();
  exact_ = marked && oldest_pending() >= *mark_at_;
  if (!marked) return false;
  mark_ = 0;
  ++rounds_;
  return !exact_;
}

void Chase::settle() {
  rounds_ = reads_ = largest_backlog_ = 0;
  recent_.clear();
}

Cut Chase::cut() const {
  if (exact_) return Cut::kExact;
  const bool too_long = rounds_ >= kMaxRounds || reads_ >= kMaxReads + 4 * largest_backlog_;
  return too_long ? Cut::kHopeless : Cut::kOpen;
}

// Only together with everything that waits: split over two transactions they would cover nothing.
void Chase::add_recent(StreamPosition at) {
  std::size_t more = 0;
  for (const auto& [path, presence] : recent_) more += queue_.waits(path) ? 0 : 1;
  if (queue_.waiting() + more > limits_.paths) return;
  if (queue_.waiting_bytes() + more * PendingPath::kSmallBytes > limits_.bytes) return;
  using Doubt = RefreshQueue::Doubt;
  for (const auto& [path, presence] : recent_) queue_.mark(path, at, presence ? Doubt::kGone : Doubt::kUnspecific);
}

void Chase::note_recent(const std::vector<PendingPath>& paths) {
  for (const PendingPath& p : paths) {
    if (p.read == PendingPath::Read::kMeasure || p.read == PendingPath::Read::kSized) {
      recent_.erase(p.path);
    } else if (p.read == PendingPath::Read::kSmall && (recent_.size() < limits_.paths || recent_.contains(p.path))) {
      recent_.insert_or_assign(p.path, p.with_presence);
    }
  }
}

}  // namespace bifrost::agent
