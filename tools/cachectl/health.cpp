#include "tools/cachectl/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

using layout::AgentState;

std::string_view name_of(AgentState state) {
  switch (state) {
    case AgentState::kStarting: return "starting";
    case AgentState::kSyncing: return "syncing";
    case AgentState::kLive: return "live";
    case AgentState::kDegraded: return "degraded";
    case AgentState::kCold: return "cold";
    case AgentState::kStopped: return "stopped";
  }
  return "degraded";
}

// Longer than any pause of a healthy event loop, shorter than an operator's patience.
std::chrono::nanoseconds longest_silence(const SegmentInfo& info) {
  const auto lease = std::min(info.lease, std::chrono::milliseconds(60'000));
  return std::max<std::chrono::nanoseconds>(std::chrono::seconds(3), 3 * lease);
}

bool agent_silent(const SegmentInfo& info, BootTime now) {
  return info.heartbeat > now || now.since(info.heartbeat) > longest_silence(info);
}

std::string_view state_of(const SegmentInfo& info, BootTime now) {
  if (info.state == AgentState::kStopped) return "stopped";
  if (info.lease_valid(now)) return name_of(info.state);
  if (agent_silent(info, now)) return "stale";
  // Without a lease, but at work to get one.
  if (info.state == AgentState::kStarting) return "starting";
  return info.state == AgentState::kSyncing && info.redis_connected ? "syncing" : "stale";
}

Problem why_not_ready(const SegmentInfo& info, std::string_view state, BootTime now) {
  if (state == "stopped") {
    return {"the agent was stopped",
            "start bifrost-agent; until then workers ask Redis, and without Redis use what was mirrored last"};
  }
  if (agent_silent(info, now)) {
    return {fmt::format("the agent (pid {}) has given no sign of life for {}", info.agent_pid,
                        human_duration(now.since(info.heartbeat))),
            "restart bifrost-agent: it takes over from this segment and workers need no restart"};
  }
  if (!info.redis_connected) {
    return {
        fmt::format("the agent has no working connection to Redis at {}", info.redis_url),
        "journalctl -u bifrost-agent: the newest redis_lost says why; bifrost-cachectl doctor asks Redis from here; "
        "the agent reconnects by itself"};
  }
  if (state == "starting" || state == "syncing") {
    return {"the first synchronisation with Redis is not finished", "wait: bifrost-cachectl wait --ready"};
  }
  if (!info.complete) {
    return {"the agent reads everything from Redis again", "wait: bifrost-cachectl wait --ready"};
  }
  return {"the mirror has not been confirmed by Redis within its lease",
          "look for a slow or stopped Redis, or read the agent's log"};
}

}  // namespace

Health assess(const SegmentInfo& info, BootTime now) {
  Health health;
  health.state = state_of(info, now);
  health.ready = info.lease_valid(now) && info.complete && info.state != AgentState::kStopped;
  if (!health.ready) health.problems.push_back(why_not_ready(info, health.state, now));
  if (info.state == AgentState::kCold) {
    health.problems.push_back(
        {"Redis lost its modules; the mirror keeps what it has seen",
         "write the modules again (bifrost-cachectl push DIR), or drop them, as root or the agent's user: "
         "bifrost-cachectl sync --prune"});
  }
  if (info.state == AgentState::kDegraded) {
    health.problems.push_back(
        {"the segment is full and cannot grow; workers ask Redis for what does not fit",
         "set a larger max_size in /etc/bifrost/bifrost.conf, or give its file system more room (bifrost-cachectl list "
         "-o wide | grep not_mirrored says which), then systemctl restart bifrost-agent; workers need nothing"});
  }
  if (info.not_mirrored != 0) {
    health.problems.push_back(
        {fmt::format("{} module{} not mirrored; workers ask Redis for {}", info.not_mirrored,
                     info.not_mirrored == 1 ? " is" : "s are", info.not_mirrored == 1 ? "it" : "them"),
         "the reasons: bifrost-cachectl list -o wide | grep not_mirrored"});
  }
  return health;
}

std::string_view signal_name(std::uint64_t signals) {
  const bool keyspace = (signals & static_cast<std::uint64_t>(layout::Signal::kKeyspace)) != 0;
  const bool tracking = (signals & static_cast<std::uint64_t>(layout::Signal::kTracking)) != 0;
  if (keyspace && tracking) return "both";
  return keyspace ? "keyspace" : tracking ? "tracking" : "none";
}

std::string_view cuts_name(layout::Cuts cuts) {
  return cuts == layout::Cuts::kMarks ? "marks" : cuts == layout::Cuts::kFences ? "fences" : "unknown";
}

}  // namespace bifrost::cachectl
