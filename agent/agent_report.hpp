// agent_report.hpp - what the running agent tells of itself on its control socket, as JSON documents on one line.
// Their members: docs/control-protocol.md. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/agent_config.hpp"
#include "agent/compile/service.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

// How the agent stands with Redis beyond what the segment says.
struct RedisTrouble {
  std::string url;       // without credentials
  std::string why = {};  // of the newest attempt that failed; "" while all is well
  std::uint64_t since_unix_ms = 0;
  std::uint64_t attempts = 0;  // that failed since then
  BootTime since = {};         // the same as since_unix_ms, whatever the clock is set to
};

// What keeps the mirror from being ready, or from what it promises, and the segment does not say.
struct Standing {
  bool syncing = false;
  bool starved = false;
  bool replica_cut_off = false;
  std::uint64_t overdue_deploy_since_unix_ms = 0;
  std::string chunk_not_shared;  // why a chunk of an agent before has other rights than the root, or ""
};

std::string state_document(const RedisTrouble& redis, const Standing& standing, CompileService& compile);
std::string not_compiled_document(CompileService& compile);
std::string config_document(const std::vector<EffectiveSetting>& settings);

}  // namespace bifrost::agent
