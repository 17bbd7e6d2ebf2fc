// execution.hpp - what an execution will import from, decided once at its start.
#pragma once

#include <chrono>
#include <memory>

#include "common/control/agent_connection.hpp"
#include "shim/core/around_wait.hpp"
#include "shim/core/mirror_view.hpp"
#include "shim/core/redis_fallback.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

struct ExecutionRequest {
  Scope scope;
  // Whether the view must hold every write acknowledged before now. If not, a mirror with a valid lease will do.
  bool fresh = true;
  std::chrono::nanoseconds timeout{std::chrono::milliseconds(250)};
};

// Where to ask.
struct Sources {
  MirrorView& mirror;
  AgentConnection& agent;
  RedisFallback& redis;
  const AroundWait& around_wait;
  ShimCounters& counters;
};

// The mirror if it is fresh; else Redis if it answers; else the last known good. Always returns a view, pinned, within
// about `timeout`.
std::shared_ptr<View> view_for_execution(const ExecutionRequest& request, const Sources& sources);

// The view of a lookup outside any execution: the newest snapshot while its lease holds and it is not older than what
// Redis last told this process; else Redis. Never waits.
std::shared_ptr<View> view_outside_executions(const Sources& sources);

// `view`, of an execution, at the newest snapshot. One of the mirror asks Redis from now on if the mirror is older than
// what Redis last told this process. Never waits.
View view_at_newest(const View& view, const Sources& sources);

// The generation that holds every write acknowledged before the call. Errors: kTimeout and those of
// AgentConnection::ask().
Result<Generation> fenced_generation(const Deadline& deadline, const Sources& sources);

}  // namespace bifrost
