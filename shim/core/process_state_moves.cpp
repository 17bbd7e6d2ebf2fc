// How an execution goes on with another state: since its snapshot is lost, or somebody wants the newest; and who must
// be told, of its threads and its processes.
#include <utility>

#include "shim/core/process_state.hpp"

namespace bifrost {
namespace {

// Threads that import faster than they can be compared: what they take is taken for changed.
constexpr int kMaxComparisonsPerMove = 16;

std::string generation_of(const View& view) {
  return "generation " + std::to_string(view.generation().value);
}

}  // namespace

std::optional<std::string> ProcessState::renew(const std::shared_ptr<const View>& view) {
  if (!view->pinned || view->segment == nullptr) return std::nullopt;  // the next view is a new one anyway
  auto next = std::make_shared<View>(*view);
  next->segment = mirror_.newest_segment();
  next->snapshot = next->segment->snapshot_at(view->generation());
  if (next->is_of_store(*view) && next->snapshot.kept()) {
    replace_pin(view, next, Why::kLost);
    return std::nullopt;
  }
  *next = view_at_newest(*view, sources());
  if (moves_whole(view, next, Why::kLost)) {
    counters_.add(ShimCounter::kSnapshotMoved);
    if (!moved_beside_others(*view, *next)) return std::nullopt;
    return lose(*view, explain_loss(*view, "another process of it may have taken others"), generation_of(*next));
  }
  auto refused =
      lose(*view, explain_loss(*view, "what it has loaded or asked for has changed since"), generation_of(*next));
  if (!refused) replace_pin(view, next, Why::kLost);
  return refused;
}

bool ProcessState::moves_whole(const std::shared_ptr<const View>& old, const std::shared_ptr<View>& next, Why why) {
  for (int comparison = 0; comparison < kMaxComparisonsPerMove; ++comparison) {
    const std::uint64_t compared = loaded_->version();
    if (!still_stands_in(*next)) return false;
    if (replace_pin(old, next, why, compared)) return true;
  }
  return false;
}

bool ProcessState::moved_beside_others(const View& old, const View& next) {
  return next.place.moved != old.place.moved && !next.execution->is_taken_only_by(next.place.process);
}

// The mover announces itself, then looks for what was noted; whoever takes something notes it, then looks for movers.
// So does one of the two see the other.
bool ProcessState::replace_pin(const std::shared_ptr<const View>& old, const std::shared_ptr<View>& next, Why why,
                               std::optional<std::uint64_t> compared) {
  {
    const std::lock_guard lock(mutex_);
    if (compared) {
      ++moves_;
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (loaded_->version() != *compared) return false;
    }
    if (pin_ != old) return true;
    const bool stays = next->shows_what(*old);
    if (!stays) next->place = next->execution->move(old->place, why == Why::kLost);
    pin_ = next;
  }
  presence_.say(*next);
  return true;
}

std::optional<std::string> ProcessState::check_taken(std::uint64_t moves) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (moves_ == moves) return std::nullopt;
  const std::shared_ptr<const View> pin = pinned_view();
  if (pin == nullptr || !pin->execution->intact() || still_stands_in(*pin)) return std::nullopt;
  const std::string now = generation_of(*pin);
  return lose(*pin, "while this execution moved to " + now + ", another of its threads took what has changed since",
              now);
}

std::optional<std::string> ProcessState::take_beside_others(const View& view) {
  if (!view.pinned || view.execution->takes(view.place)) return std::nullopt;
  {
    // Another thread of this process has moved: see check_taken().
    const std::lock_guard lock(mutex_);
    const bool goes_on = pin_ != nullptr && pin_->execution == view.execution;
    if (goes_on && view.execution->takes(pin_->place)) return std::nullopt;
  }
  // A move that somebody asked for refuses nobody.
  const bool refuses = !serves_stale() && view.execution->lost_since(view.place);
  if (!refuses && !view.execution->intact()) return std::nullopt;
  return tear(view, "another process of this execution has gone on with another generation", generation_of(view),
              refuses);
}

std::optional<std::string> ProcessState::lose(const View& view, const std::string& why, const std::string& then) {
  counters_.add(ShimCounter::kSnapshotLost);
  return tear(view, why, then, !serves_stale());
}

std::optional<std::string> ProcessState::tear(const View& view, const std::string& why, const std::string& then,
                                              bool refuses) {
  view.execution->tear();
  const std::lock_guard lock(mutex_);
  if (refuses) {
    const std::string refused = why + "; BIFROST_ON_STALE=error forbids to go on with a later one";
    if (pin_ != nullptr && pin_->execution == view.execution) {
      auto none = std::make_shared<View>(*pin_);
      none->why_refused = refused;
      pin_ = std::move(none);
    }
    return refused;
  }
  lost_notice_ = why + ": it goes on with " + then;
  return std::nullopt;
}

void ProcessState::note_from_before(std::string_view name) {
  const std::shared_ptr<const View> pin = pinned_view();
  if (pin == nullptr || !pin->execution->intact()) return;
  const std::string why = "the import of module '" + std::string(name) +
                          "' had begun when this execution did, and may have taken what has changed since";
  // Nothing was lost: somebody has begun it at that moment.
  static_cast<void>(tear(*pin, why, generation_of(*pin), false));
}

std::string ProcessState::explain_loss(const View& lost, std::string_view and_what) const {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(boot_now().since(lost.pinned_at)).count();
  return "the agent no longer keeps generation " + std::to_string(lost.generation().value) +
         ", with which this execution began " + std::to_string(age) + " s ago, and " + std::string(and_what) +
         " (--history and --history-size of bifrost-agent say how long versions are kept)";
}

std::optional<std::string> ProcessState::take_lost_notice() {
  const std::lock_guard lock(mutex_);
  if (lost_notice_.empty()) return std::nullopt;
  return std::exchange(lost_notice_, {});
}

void ProcessState::move_to_newest() {
  redis_.forget_index();
  std::shared_ptr<const View> pin;
  {
    const std::lock_guard lock(mutex_);
    pin = pin_;
    settled_outside_.reset();
  }
  if (pin == nullptr) return;
  // An execution that had to do with less is given the mirror, if that can be relied on by now, and has what Redis had
  // when the execution began.
  auto next = std::make_shared<View>(*view_outside_executions(sources()));
  const bool reliable = next->authority == Authority::kMirror && next->holds_through >= pin->pinned_at;
  if (pin->authority == Authority::kMirror || !reliable) {
    *next = view_at_newest(*pin, sources());
  } else {
    next->scope = pin->scope;
    next->pinned = true;
    next->pinned_at = pin->pinned_at;
    next->execution = pin->execution;
    next->place = pin->place;
  }
  next->settled = nothing_settled();
  next->why_refused.clear();
  const bool whole = moves_whole(pin, next, Why::kAsked);
  if (!whole || moved_beside_others(*pin, *next)) next->execution->tear();
  if (!whole) replace_pin(pin, next, Why::kAsked);
}

}  // namespace bifrost
