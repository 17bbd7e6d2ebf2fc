// agent_errors.hpp - exit codes for verbs that need a running agent.
#pragma once

#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

// No socket and nobody listening are the same to the user: there is no agent.
constexpr ExitCode agent_exit_code(ErrorCode code) {
  return code == ErrorCode::kUnreachable ? ExitCode::kAbsent : exit_code_of(code);
}

inline ExitCode fail_without_agent(const Error& error) {
  say(error.message);
  return agent_exit_code(error.code);
}

}  // namespace bifrost::cachectl
