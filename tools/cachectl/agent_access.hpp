// agent_access.hpp - for verbs that need a running agent: to wait for one, and what it means that there is none.
#pragma once

#include "common/control/agent_connection.hpp"
#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

// Returns when an agent listens, or when as much time has passed as --wait gives it to appear.
void await_agent(const Context& context, AgentConnection& agent);

// No socket and nobody listening are the same to the user: there is no agent.
constexpr ExitCode agent_exit_code(ErrorCode code) {
  return code == ErrorCode::kUnreachable ? ExitCode::kAbsent : exit_code_of(code);
}

inline ExitCode fail_without_agent(const Error& error) {
  say(error.message);
  return agent_exit_code(error.code);
}

}  // namespace bifrost::cachectl
