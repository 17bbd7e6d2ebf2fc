#include "shim/core/execution.hpp"

#include <algorithm>

#include "common/base/boot_identity.hpp"

namespace bifrost {
namespace {

// The part of the time-out that the agent may use up; Redis gets the rest.
constexpr int kFenceShareNumerator = 3;
constexpr int kFenceShareDenominator = 5;

std::string why_lease_is_invalid(const Segment& segment, BootTime now) {
  const SegmentInfo info = segment.info();
  if (info.state == layout::AgentState::kStopped) return "the agent has stopped";
  if (!boot_identity().known()) return "this process cannot read /proc, which tells whose times the segment has";
  if (!info.clock_is_ours) return "the segment's times are of another boot or time namespace";
  if (info.synced_through.ns == 0) return "the agent has not been in sync with Redis yet";
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now.since(info.synced_through));
  return "last in sync with Redis " + std::to_string(age.count()) + " ms ago";
}

// Reads never go back in time: what Redis had told this process before must be in the view. Of a segment that somebody
// vouches for, in sync with what was acknowledged by `synced_through`; "" if it does not lag behind.
std::string why_behind(BootTime synced_through, const View& view, const LastReads::Times& told) {
  if (synced_through < told.all) return "Redis was read after the mirror's last synchronisation";
  const bool moved = told.generation != view.generation();
  if (view.holds_through >= std::max(told.without_mirror, moved ? told.beside_mirror : BootTime{})) return {};
  return "this process has read from Redis what a deploy holds back in the mirror";
}

// Sets the authority to kMirror when the lease vouches for the segment; else says why not.
void use_leased_mirror(View& view, const Sources& from) {
  const LastReads::Times told = from.redis.last_reads().times();
  std::shared_ptr<const Segment> segment = from.mirror.segment();
  if (segment == nullptr || !segment->lease_valid(boot_now())) segment = from.mirror.newest_segment();
  if (segment == nullptr) {
    view.why_not_mirror = from.mirror.attach_error();
    return;
  }
  const BootTime now = boot_now();
  const bool leased = segment->lease_valid(now);
  const BootTime synced_through = segment->synced_through();
  view.leased = leased;
  view.look_at(segment);
  view.why_not_mirror = leased ? why_behind(synced_through, view, told) : why_lease_is_invalid(*segment, now);
  if (view.why_not_mirror.empty()) view.authority = Authority::kMirror;
}

void use_fenced_mirror(View& view, const Deadline& deadline, const Sources& from) {
  const BootTime start = boot_now();
  const LastReads::Times told = from.redis.last_reads().times();
  view.look_at(from.mirror.newest_segment());
  if (view.segment == nullptr) {
    view.why_not_mirror = from.mirror.attach_error();
    return;
  }
  Result<FenceAnswer> fence = Error{};
  from.around_wait([&] { fence = from.agent.fence(deadline); });
  std::shared_ptr<const Segment> segment = from.mirror.newest_segment();  // the agent may have grown it meanwhile
  const BootTime synced_through = segment->synced_through();
  view.look_at(std::move(segment));
  const bool synced = fence && synced_through >= start;
  if (synced) {
    view.why_not_mirror = why_behind(synced_through, view, told);
  } else {
    view.why_not_mirror = fence ? "the agent that answers does not write this segment" : fence.error().message;
    if (fence) from.agent.close();
  }
  from.counters.add(synced ? ShimCounter::kFences : ShimCounter::kFenceFailures);
  if (view.why_not_mirror.empty()) view.authority = Authority::kMirror;
}

bool is_deploying(const Sources& from) {
  const std::shared_ptr<const Segment> segment = from.mirror.newest_segment();
  return segment != nullptr && segment->deploying();
}

}  // namespace

std::shared_ptr<View> view_for_execution(const ExecutionRequest& request, const Sources& from) {
  from.counters.add(ShimCounter::kExecutions);
  const Deadline deadline(request.timeout);
  auto view = std::make_shared<View>();
  view->scope = request.scope;
  view->pinned = true;
  view->pinned_at = boot_now();
  if (request.fresh) {
    use_fenced_mirror(*view, Deadline(request.timeout * kFenceShareNumerator / kFenceShareDenominator), from);
  } else {
    use_leased_mirror(*view, from);
  }
  view->deploying = view->segment != nullptr && view->segment->deploying();
  if (view->authority == Authority::kMirror) return view;
  if (const Status redis = from.redis.ping(deadline); !redis && view->segment != nullptr) {
    view->authority = Authority::kStale;
    view->why_not_redis = redis.error().message;
  }
  return view;
}

std::shared_ptr<View> view_outside_executions(const Sources& from) {
  auto view = std::make_shared<View>();
  use_leased_mirror(*view, from);
  return view;
}

View view_at_newest(const View& before, const Sources& from) {
  const LastReads::Times told = from.redis.last_reads().times();
  const std::shared_ptr<const Segment> segment = from.mirror.newest_segment();
  const BootTime synced_through = segment ? segment->synced_through() : BootTime{};
  View view = from.mirror.at_newest(before);
  if (view.authority != Authority::kMirror || view.shows_what(before)) return view;
  view.why_not_mirror = why_behind(synced_through, view, told);
  if (!view.why_not_mirror.empty()) view.authority = Authority::kRedis;
  return view;
}

Result<Generation> fenced_generation(const Deadline& deadline, const Sources& from) {
  Result<FenceAnswer> fence = Error{};
  // What a deploy has written is acknowledged, and not in the mirror before it ends. It may begin or end meanwhile.
  const bool deployed = is_deploying(from);
  from.around_wait([&] { fence = from.agent.fence(deadline); });
  from.counters.add(fence ? ShimCounter::kFences : ShimCounter::kFenceFailures);
  if (!fence) return fence.error();
  if (!deployed && !is_deploying(from)) return fence->generation;
  return Error{ErrorCode::kTimeout, "a deploy is going on: what was written since it began is shown when it ends"};
}

}  // namespace bifrost
