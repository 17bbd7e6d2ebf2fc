// control_client.hpp - one question to the agent of this node, with a deadline.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

// The `key=value` pairs of an `ok` line.
using ControlAnswer = std::map<std::string, std::string>;

// Errors: kNotFound (no socket), kUnreachable (nobody listens), kPermission, kTimeout, kRefused (the agent answered
// `error`: its sentence is the message). Cost: connect, one line each way, close; about 30 us plus the agent's work.
Result<ControlAnswer> ask_agent(const std::string& dir, std::string_view request, const Deadline& deadline);

struct FenceAnswer {
  Generation generation;    // a generation that holds every write acknowledged before the request
  BootTime synced_through;  // not earlier than the request
};
Result<FenceAnswer> ask_fence(const std::string& dir, const Deadline& deadline);

}  // namespace bifrost
