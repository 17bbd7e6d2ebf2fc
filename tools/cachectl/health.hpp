// health.hpp - what an agent's own words amount to: one state, and what to do about it.
//
// Time is an input, so that every state has a test without a clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/reader/segment.hpp"
#include "tools/cachectl/agent_words.hpp"

namespace bifrost::cachectl {

struct Problem {
  std::string_view name;  // for scripts: one word, as in docs/operations.md section 2
  std::string what;       // one sentence without a full stop
  std::string advice;     // what to do: the next command comes first
  bool blocks = false;    // the mirror is not ready because of it
};

struct Health {
  std::string_view state;         // starting, syncing, live, degraded, cold, stale or stopped
  bool ready = false;             // see SegmentInfo::ready
  std::vector<Problem> problems;  // worst first; there may be some although ready
  // 0: no deploy is going on, or nobody is there who would know.
  std::uint64_t deploying_since_unix_ms = 0;
};

// `answer`: what the agent said of itself when it was asked, or why it said nothing.
Health assess(const SegmentInfo& info, BootTime now, const Result<AgentWords>* answer = nullptr);
// Nobody was there, or not in time.
bool did_not_answer(const Result<AgentWords>& answer);
// The agent's control socket has gone, nobody answers at it, or this user may not use it.
Problem missing_control_socket();
Problem silent_control_socket();
Problem forbidden_control_socket();

// Since when a deploy goes on, and what executions get of it; empty when none does.
std::string deploy_text(const Health& health);
std::string deploy_advice();
// "both", "keyspace", "tracking" or "none".
std::string_view signal_name(std::uint64_t signals);
// How modules written together are found: "marks", "fences" or "unknown". docs/consistency.md section 3.
std::string_view cuts_name(layout::Cuts cuts);

}  // namespace bifrost::cachectl
