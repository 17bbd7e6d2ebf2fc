#include "agent/follow/commit_rule.hpp"

#include <utility>

namespace bifrost::agent {

void CommitRule::announced(BootTime at) {
  if (announced_since_.ns == 0) announced_since_ = at;
}

void CommitRule::applied(BootTime at, bool staged) {
  last_applied_ = at;
  if (staged && staged_since_.ns == 0) staged_since_ = at;
}

void CommitRule::begin_patience(BootTime at, bool staged) {
  staged_since_ = staged ? at : BootTime{};
}

std::optional<BootTime> CommitRule::committed() {
  staged_since_ = {};
  const BootTime since = std::exchange(announced_since_, {});
  return since.ns == 0 ? std::nullopt : std::optional(since);
}

CommitRule::Commit CommitRule::commit_now(const Situation& is, BootTime now) const {
  if (!is.staged) return Commit::kNotNow;
  switch (is.cut) {
    case Cut::kExact: return Commit::kWhole;
    case Cut::kOpen: return Commit::kNotNow;
    case Cut::kHopeless: return Commit::kGiveUp;
    case Cut::kByFences: return commit_by_fences(is, now);
  }
  return Commit::kNotNow;
}

CommitRule::Commit CommitRule::commit_by_fences(const Situation& is, BootTime now) const {
  if (is.quiet) {
    const BootTime fence = fences_.last_answered();
    return fence.ns != 0 && fence >= last_applied_ ? Commit::kWhole : Commit::kNotNow;
  }
  const bool waited = staged_since_.ns != 0 && now.since(staged_since_) > kGroupPatience;
  return waited ? Commit::kGiveUp : Commit::kNotNow;
}

std::optional<BootTime> CommitRule::take_synced_through(const Situation& is, StreamPosition oldest_pending) {
  if (is.staged) return std::nullopt;
  if (is.quiet) announced_since_ = {};  // by messages that changed nothing
  return fences_.take_fulfilled(oldest_pending);
}

CommitRule::Fence CommitRule::fence_now(const Situation& is, bool asked, BootTime now) const {
  if (fences_.in_flight()) return Fence::kNotNow;
  const BootTime last = fences_.last_sent();
  // The clock counts from the boot, which may be less than a heartbeat ago.
  const bool first = last.ns == 0;
  if (first || now.since(last) >= heartbeat_) return Fence::kHeartbeat;
  const bool whole_is_unknown = is.cut == Cut::kByFences && is.staged && is.quiet && last < last_applied_;
  return asked || whole_is_unknown ? Fence::kWanted : Fence::kNotNow;
}

}  // namespace bifrost::agent
