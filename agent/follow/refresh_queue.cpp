#include "agent/follow/refresh_queue.hpp"

#include <algorithm>
#include <utility>

namespace bifrost::agent {
namespace {

// Of one path: `later` is what has become known since.
void merge(PendingPath& known, const PendingPath& later) {
  known.hear(later);
  known.with_presence |= later.with_presence;
  if (known.read == PendingPath::Read::kEntry && later.read != PendingPath::Read::kEntry) {
    known.read = later.read;
    known.size_bytes = later.size_bytes;
  }
}

}  // namespace

void PendingPath::hear(const PendingPath& later) {
  const bool says_less = later.told == Told::kChange && told == Told::kWrite;  // SETEX is announced as both
  if (later.told != Told::kNothing && !says_less) told = later.told;
  if (later.announced) announced = later.announced;
}

void RefreshQueue::mark(ModulePathView path, StreamPosition at, Doubt doubt) {
  PendingPath marked{ModulePath(path), at};
  if (doubt == Doubt::kTouched || doubt == Doubt::kWritten) marked.announced = at;
  if (doubt == Doubt::kWritten) marked.told = PendingPath::Told::kWrite;
  if (doubt == Doubt::kChanged) marked.told = PendingPath::Told::kChange;
  if (doubt == Doubt::kDeleted) marked.told = PendingPath::Told::kDeletion;
  marked.with_presence = doubt == Doubt::kGone || doubt == Doubt::kDeleted;
  if (doubt == Doubt::kDelisted) {
    marked.read = PendingPath::Read::kEntry;
  } else if (const auto size = long_.find(path); size != long_.end()) {
    marked.read = PendingPath::Read::kSized;
    marked.size_bytes = size->second;
  }
  if (const auto found = waiting_.find(path); found != waiting_.end()) return merge(*found->second.at, marked);
  queue_.push_back(std::move(marked));
  waiting_.emplace(queue_.back().path, Place{&queue_, std::prev(queue_.end())});
}

std::vector<PendingPath> RefreshQueue::take(std::size_t max_paths, std::uint64_t max_bytes) {
  std::vector<PendingPath> batch;
  std::uint64_t bytes = 0;
  std::size_t room_for_entries = kMostEntries;
  while (waiting() != 0) {
    Waiting& from = again_.empty() ? queue_ : again_;
    std::size_t& room = from.front().read == PendingPath::Read::kEntry ? room_for_entries : max_paths;
    bytes += from.front().answer_bytes();
    if (room == 0 || (bytes > max_bytes && !batch.empty())) break;
    --room;
    waiting_.erase(from.front().path);
    batch.push_back(std::move(from.front()));
    from.pop_front();
  }
  if (batch.empty()) return batch;
  Batch& taken = batches_.emplace_back(Batch{kNothingPending, 0, {}});
  for (const PendingPath& p : batch) {
    taken.first_mark = std::min(taken.first_mark, p.first_mark);
    taken.bytes += p.answer_bytes();
    taken.paths.push_back(p.path);
  }
  return batch;
}

// A message that came during the read is answered by the next one as well.
void RefreshQueue::read_again(PendingPath pending) {
  if (const auto later = take_back(pending.path)) {
    merge(pending, *later);
    pending.first_mark = std::min(pending.first_mark, later->first_mark);
  }
  again_.push_back(std::move(pending));
  waiting_.emplace(again_.back().path, Place{&again_, std::prev(again_.end())});
}

void RefreshQueue::mark_in_flight(StreamPosition at, Doubt doubt, std::size_t after) {
  for (std::size_t i = 0; i + after < batches_.size(); ++i) {
    for (const ModulePath& path : batches_[i].paths) mark(path, at, doubt);
  }
}

void RefreshQueue::finish_oldest_batch() {
  batches_.pop_front();
}

std::optional<PendingPath> RefreshQueue::withdraw(const PendingPath& read) {
  const auto found = waiting_.find(read.path);
  const bool settled = found != waiting_.end() &&
                       (read.read != PendingPath::Read::kEntry || found->second.at->read == PendingPath::Read::kEntry);
  return settled ? take_back(read.path) : std::nullopt;
}

std::optional<PendingPath> RefreshQueue::take_back(ModulePathView path) {
  const auto found = waiting_.find(path);
  if (found == waiting_.end()) return std::nullopt;
  const Place place = found->second;
  waiting_.erase(found);
  PendingPath withdrawn = std::move(*place.at);
  place.list->erase(place.at);
  return withdrawn;
}

void RefreshQueue::expect_size(ModulePathView path, std::uint64_t size_bytes) {
  const auto found = long_.find(path);
  if (size_bytes <= PendingPath::kSmallBytes) {
    if (found != long_.end()) long_.erase(found);
    return;
  }
  const std::uint64_t with_room = size_bytes + size_bytes / 8;
  if (found != long_.end()) {
    found->second = with_room;
  } else {
    long_.emplace(path, with_room);
  }
}

std::uint64_t RefreshQueue::waiting_bytes() const {
  std::uint64_t bytes = 0;
  for (const Waiting* list : {&again_, &queue_}) {
    for (const PendingPath& p : *list) bytes += p.answer_bytes();
  }
  return bytes;
}

std::uint64_t RefreshQueue::bytes_in_flight() const {
  std::uint64_t bytes = 0;
  for (const Batch& b : batches_) bytes += b.bytes;
  return bytes;
}

StreamPosition RefreshQueue::oldest_pending() const {
  StreamPosition oldest = queue_.empty() ? kNothingPending : queue_.front().first_mark;
  for (const PendingPath& p : again_) oldest = std::min(oldest, p.first_mark);
  for (const Batch& b : batches_) oldest = std::min(oldest, b.first_mark);
  return oldest;
}

}  // namespace bifrost::agent
