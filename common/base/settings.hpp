// settings.hpp - every setting, once: key, environment variable, default, meaning; and which source won.
//
// A flag beats a variable beats the config file beats the default. The config file has one `key = value` per line;
// `#` starts a comment line. Programs take flags by the same keys with `-` for `_`. `redis_url_file` names a file that
// holds `redis_url`, so that a password stands in no command line and no environment.
// Concurrency: resolve once at start, read afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace bifrost {

enum class Setting {
  kRedisUrl,
  kRedisUrlFile,
  kSegmentDir,
  kWorkspace,
  kPrecedence,
  kOnStale,
  kComplete,
  kAutoload,
  kDisable,
  kAgentUid,
  kSize,
  kMaxSize,
  kHistory,
  kHistorySize,
  kSignal,
  kOnExpiry,
  kLease,
  kReconcile,
  kMaxModuleBytes,
  kMaxPending,
  kPython,
  kOptimize,
  kLogLevel,
  kLogFormat,
  kMetrics,
  kTelemetry,
  kCount
};

struct SettingInfo {
  Setting id;
  std::string_view key;       // in the config file; the flag is the same with dashes
  std::string_view variable;  // in the environment
  std::string_view fallback;  // "" where the default depends on the machine
  std::string_view help;
};

const std::array<SettingInfo, static_cast<std::size_t>(Setting::kCount)>& setting_table();
const SettingInfo& setting_info(Setting id);
// "--redis-url" for `redis_url`.
std::string flag_of(const SettingInfo& info);

struct SettingValue {
  std::string value;
  std::string origin;  // "--redis-url", "BIFROST_REDIS_URL", "/etc/bifrost.conf:3" or "default"
};

class Settings {
 public:
  using Flags = std::map<Setting, std::string>;

  // Errors: kNotFound (config file, redis_url_file), kInvalidArgument (unknown key, malformed line: names file and
  // line; redis_url and redis_url_file from one source; a redis_url_file that is empty or longer than
  // kMaxUrlFileBytes, a config file longer than kMaxConfigBytes).
  static Result<Settings> resolve(const Flags& flags, const std::optional<std::string>& config_file = {});

  const std::string& get(Setting id) const { return values_[static_cast<std::size_t>(id)].value; }
  const SettingValue& entry(Setting id) const { return values_[static_cast<std::size_t>(id)]; }

  static constexpr std::size_t kMaxUrlFileBytes = 16384;
  static constexpr std::size_t kMaxConfigBytes = 1 << 20;

 private:
  // Where a value comes from, the weakest first.
  enum class Source { kDefault, kConfigFile, kRedisUrlVariable, kVariable, kFlag };
  void set(Setting id, std::string value, std::string origin, Source source);
  void take_defaults();
  Status read_config_file(const std::string& path);
  Status read_redis_url_file();

  std::array<SettingValue, static_cast<std::size_t>(Setting::kCount)> values_;
  std::array<Source, static_cast<std::size_t>(Setting::kCount)> sources_{};
};

// The file that programs read when no other is named: /etc/bifrost/bifrost.conf, where this process may read it.
// Workers never do: their settings come from the environment and from their own code.
std::optional<std::string> system_config_file();
// The same file where this process may not read it, so that what it says is not known.
std::optional<std::string> withheld_config_file();

// "32M", "4G", "65536": bytes. Suffixes K, M, G, T are powers of 1024.
Result<std::uint64_t> parse_bytes(std::string_view text);
// "1s", "250ms", "2m", "0.5s", "1h", "30d": milliseconds.
Result<std::uint64_t> parse_duration_ms(std::string_view text);

}  // namespace bifrost
