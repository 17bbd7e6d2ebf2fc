#include "tools/cachectl/agent_access.hpp"

#include <poll.h>

#include "common/control/control_protocol.hpp"

namespace bifrost::cachectl {

void await_agent(const Context& context, AgentConnection& agent) {
  constexpr int kPauseMs = 20;
  for (const Deadline deadline(context.patience); !deadline.passed(); ::poll(nullptr, 0, kPauseMs)) {
    const auto pong = agent.ask(control::kPing, deadline);
    if (pong || (pong.error().code != ErrorCode::kNotFound && pong.error().code != ErrorCode::kUnreachable)) return;
  }
}

}  // namespace bifrost::cachectl
