// agent_config.hpp - the agent's settings, checked: what Settings holds as text, as values.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/compile/lane.hpp"
#include "agent/follow/session.hpp"
#include "agent/mirror/retention.hpp"
#include "agent/serve/listen_address.hpp"
#include "common/base/result.hpp"
#include "common/base/settings.hpp"

namespace bifrost::agent {

// A setting as the agent goes by it.
struct EffectiveSetting {
  std::string_view key;
  std::string value;   // without credentials
  std::string origin;  // flag, variable, file and line, or "default"
};

struct AgentConfig {
  SessionOptions session;
  OnExpiry on_expiry = OnExpiry::kRetain;
  std::string segment_dir;
  std::string workspace;
  CompileOptions compile;
  std::uint64_t max_size_bytes = 0;
  std::chrono::milliseconds history{0};
  std::optional<std::uint64_t> history_bytes;  // nothing: as much as is mirrored, within bounds
  bool password_exposed = false;               // it stands in the command line, for every user of the machine to read
  std::string obsolete;                        // one sentence about a setting that means nothing any more, or ""
  std::string log_level;
  std::string log_format;
  // Reads the settings again, for SIGHUP. Errors: as when they were read first.
  std::function<Result<std::string>()> reread_log_level;
  bool telemetry = true;
  std::optional<ListenAddress> metrics;    // nothing: off
  std::vector<EffectiveSetting> settings;  // all of them, for those who ask
};

// Errors: kInvalidArgument; the message names the setting, where its value came from, and what is allowed.
Result<AgentConfig> parse_agent_config(const Settings& settings);

std::vector<EffectiveSetting> effective_settings(const Settings& settings);
// One line per setting: key = value  # where from. Credentials in the URL are left out.
std::string describe(const Settings& settings);

}  // namespace bifrost::agent
