#include "agent/agent_config.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

#include "agent/size_bound.hpp"

namespace bifrost::agent {
namespace {

Error at_setting(const Settings& settings, Setting id, const std::string& why) {
  const SettingInfo& info = setting_info(id);
  return {ErrorCode::kInvalidArgument, std::string(info.key) + " (from " + settings.entry(id).origin + "): " + why};
}

template <class T>
Result<T> choice(const Settings& settings, Setting id, const std::map<std::string, T>& choices) {
  const auto found = choices.find(settings.get(id));
  if (found != choices.end()) return found->second;
  std::string allowed;
  for (const auto& [name, value] : choices) allowed += (allowed.empty() ? "" : ", ") + name;
  return at_setting(settings, id, "`" + settings.get(id) + "` is none of " + allowed);
}

struct Range {
  std::uint64_t least;
  std::uint64_t most;
  std::string_view unit;
};

template <class T>
Result<std::uint64_t> number(const Settings& settings, Setting id, T parse, const Range& allowed) {
  const Result<std::uint64_t> value = parse(settings.get(id));
  if (!value) return at_setting(settings, id, value.error().message);
  if (*value < allowed.least || *value > allowed.most) {
    const std::string range = std::to_string(allowed.least) + " and " + std::to_string(allowed.most);
    return at_setting(settings, id,
                      "`" + settings.get(id) + "` is not between " + range + " " + std::string(allowed.unit));
  }
  return *value;
}

// Nothing where nothing is said.
Result<std::optional<std::uint64_t>> optional_bytes(const Settings& settings, Setting id, std::uint64_t least,
                                                    std::uint64_t most) {
  if (settings.get(id).empty()) return std::optional<std::uint64_t>();
  const auto bytes = number(settings, id, parse_bytes, {least, most, "bytes"});
  if (!bytes) return bytes.error();
  return std::optional<std::uint64_t>(*bytes);
}

std::vector<std::string> list_of(const std::string& text, char separator) {
  std::vector<std::string> items;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, separator);) {
    if (!item.empty()) items.push_back(item);
  }
  return items;
}

Result<CompileOptions> compile_options(const Settings& s) {
  CompileOptions options;
  options.workspace = s.get(Setting::kWorkspace);
  options.interpreters = list_of(s.get(Setting::kPython), ':');
  for (const std::string& interpreter : options.interpreters) {
    if (interpreter.front() != '/') {
      return at_setting(s, Setting::kPython, "`" + interpreter + "` must be an absolute path");
    }
  }
  options.optimizations.clear();
  for (const std::string& level : list_of(s.get(Setting::kOptimize), ',')) {
    if (level != "0" && level != "1" && level != "2") {
      return at_setting(s, Setting::kOptimize, "`" + level + "` is none of 0, 1, 2");
    }
    const auto number = static_cast<unsigned>(level.front() - '0');
    const auto& known = options.optimizations;
    if (std::find(known.begin(), known.end(), number) == known.end()) options.optimizations.push_back(number);
  }
  if (options.optimizations.empty()) return at_setting(s, Setting::kOptimize, "names no level");
  return options;
}

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kLeastMaxSize = 1u << 20;
constexpr std::uint64_t kMostMaxSize = std::uint64_t{1} << 40;

}  // namespace

Result<AgentConfig> parse_agent_config(const Settings& s) {
  AgentConfig config;
  const auto url = parse_redis_url(s.get(Setting::kRedisUrl));
  if (!url) return at_setting(s, Setting::kRedisUrl, url.error().message);
  config.session.url = *url;
  const bool on_command_line = s.entry(Setting::kRedisUrl).origin == flag_of(setting_info(Setting::kRedisUrl));
  config.password_exposed = on_command_line && !(url->password + url->sentinel_password).empty();
  const auto signal = choice<SignalChoice>(s, Setting::kSignal,
                                           {{"auto", SignalChoice::kAuto},
                                            {"both", SignalChoice::kBoth},
                                            {"keyspace", SignalChoice::kKeyspace},
                                            {"tracking", SignalChoice::kTracking}});
  if (!signal) return signal.error();
  config.session.signal = *signal;
  const auto expiry =
      choice<OnExpiry>(s, Setting::kOnExpiry, {{"retain", OnExpiry::kRetain}, {"drop", OnExpiry::kDrop}});
  if (!expiry) return expiry.error();
  config.on_expiry = *expiry;
  config.session.follow_expiry = *expiry == OnExpiry::kDrop;
  const auto lease = number(s, Setting::kLease, parse_duration_ms, {50, 3'600'000, "ms"});
  if (!lease) return lease.error();
  config.session.lease = std::chrono::milliseconds(*lease);
  const auto reconcile = number(s, Setting::kReconcile, parse_duration_ms, {1000, 86'400'000, "ms"});
  if (!reconcile) return reconcile.error();
  config.session.reconcile = std::chrono::milliseconds(*reconcile);
  const auto module_bytes = number(s, Setting::kMaxModuleBytes, parse_bytes, {1024, kGiB / 2, "bytes"});
  if (!module_bytes) return module_bytes.error();
  config.session.max_module_bytes = *module_bytes;
  const auto pending = number(s, Setting::kMaxPending, parse_bytes, {1000, 100'000'000, "changes"});
  if (!pending) return pending.error();
  config.session.max_pending = *pending;
  config.segment_dir = s.get(Setting::kSegmentDir);
  const auto size = optional_bytes(s, Setting::kSize, 0, kMostMaxSize);
  if (!size) return size.error();
  if (*size) {
    config.obsolete = "size (from " + s.entry(Setting::kSize).origin +
                      ") has no effect any more: the segment takes what it needs, up to max_size";
  }
  const auto max_size = optional_bytes(s, Setting::kMaxSize, kLeastMaxSize, kMostMaxSize);
  if (!max_size) return max_size.error();
  config.max_size_bytes = *max_size ? **max_size : default_max_size(config.segment_dir).bytes;
  const auto history = number(s, Setting::kHistory, parse_duration_ms, {0, std::uint64_t{30} * 86'400'000, "ms"});
  if (!history) return history.error();
  config.history = std::chrono::milliseconds(*history);
  const auto history_size = optional_bytes(s, Setting::kHistorySize, 0, kMostMaxSize);
  if (!history_size) return history_size.error();
  config.history_bytes = *history_size;
  config.workspace = s.get(Setting::kWorkspace);
  if (config.workspace.empty() || config.workspace.front() != '/') {
    return at_setting(s, Setting::kWorkspace, "must be an absolute path");
  }
  auto compile = compile_options(s);
  if (!compile) return compile.error();
  config.compile = std::move(*compile);
  config.log_level = s.get(Setting::kLogLevel);
  config.log_format = s.get(Setting::kLogFormat);
  const auto telemetry = choice<bool>(s, Setting::kTelemetry, {{"on", true}, {"off", false}});
  if (!telemetry) return telemetry.error();
  config.telemetry = *telemetry;
  const auto metrics = parse_listen_address(s.get(Setting::kMetrics));
  if (!metrics) return at_setting(s, Setting::kMetrics, metrics.error().message);
  config.metrics = *metrics;
  config.settings = effective_settings(s);
  return config;
}

std::vector<EffectiveSetting> effective_settings(const Settings& settings) {
  std::vector<EffectiveSetting> all;
  for (const SettingInfo& info : setting_table()) {
    EffectiveSetting setting{info.key, settings.get(info.id), settings.entry(info.id).origin};
    if (info.id == Setting::kRedisUrl) {
      const auto url = parse_redis_url(setting.value);
      setting.value = url ? url->display() : "(not a Redis URL)";
    }
    if (info.id == Setting::kMaxSize && setting.value.empty()) {
      const SizeBound bound = default_max_size(settings.get(Setting::kSegmentDir));
      setting.value = std::to_string(bound.bytes);
      setting.origin += ": " + bound.why;
    }
    all.push_back(std::move(setting));
  }
  return all;
}

std::string describe(const Settings& settings) {
  std::string text;
  for (const EffectiveSetting& setting : effective_settings(settings)) {
    text += std::string(setting.key) + " = " + setting.value + "  # " + setting.origin + "\n";
  }
  return text;
}

}  // namespace bifrost::agent
