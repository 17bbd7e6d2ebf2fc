#include "common/base/settings.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <utility>

#include "common/base/segment_dir.hpp"

namespace bifrost {

const std::array<SettingInfo, static_cast<std::size_t>(Setting::kCount)>& setting_table() {
  static constexpr std::array<SettingInfo, static_cast<std::size_t>(Setting::kCount)> kTable = {{
      {Setting::kRedisUrl, "redis_url", "BIFROST_REDIS_URL", "redis://localhost:6379/0",
       "where the modules are: redis://[user:pass@]host:port/db or unix://path?db=N"},
      {Setting::kRedisUrlFile, "redis_url_file", "BIFROST_REDIS_URL_FILE", "",
       "a file that holds redis_url: for a URL with a password"},
      {Setting::kSegmentDir, "segment_dir", "BIFROST_SEGMENT_DIR", "",
       "directory of the segment and the control socket: /run/bifrost if it exists, else /dev/shm/bifrost-<uid>"},
      {Setting::kWorkspace, "workspace", "BIFROST_WORKSPACE", "/tmp/bifrost/workspace",
       "virtual root of the modules, the prefix of every __file__"},
      {Setting::kPrecedence, "precedence", "BIFROST_PRECEDENCE", "workspace",
       "workspace: before installed packages; installed: after them"},
      {Setting::kOnStale, "on_stale", "BIFROST_ON_STALE", "serve",
       "when the mirror is stale and Redis cannot be reached: serve the last known source, or error"},
      {Setting::kComplete, "complete", "BIFROST_COMPLETE", "1",
       "1: Redis holds every module; 0: it may not, and fallback.resolve is asked before another scope answers"},
      {Setting::kAutoload, "autoload", "BIFROST_AUTOLOAD", "", "1: install the hook when the interpreter starts"},
      {Setting::kDisable, "disable", "BIFROST_DISABLE", "0", "1: install_virtual_import_hook() does nothing"},
      {Setting::kAgentUid, "agent_uid", "BIFROST_AGENT_UID", "",
       "the agent's user, as a number or a name; readers trust its segment, root's and their own"},
      {Setting::kSize, "size", "BIFROST_SIZE", "", "has no effect; goes with 1.0"},
      {Setting::kMaxSize, "max_size", "BIFROST_MAX_SIZE", "",
       "what the segment may take in all [the least of 4G, three quarters of the file system, half of the memory "
       "limit]"},
      {Setting::kHistory, "history", "BIFROST_HISTORY", "1h",
       "how long replaced versions stay readable for executions that began with them: 0 to 30d"},
      {Setting::kHistorySize, "history_size", "BIFROST_HISTORY_SIZE", "",
       "what replaced versions may take [as much as is mirrored, at least 256M, at most half of max_size]"},
      {Setting::kSignal, "signal", "BIFROST_SIGNAL", "auto", "change signals: auto, both, keyspace or tracking"},
      {Setting::kOnExpiry, "on_expiry", "BIFROST_ON_EXPIRY", "retain",
       "a key that expired: retain the module, or drop it"},
      {Setting::kLease, "lease", "BIFROST_LEASE", "1s", "how old an answer may be without asking again"},
      {Setting::kReconcile, "reconcile", "BIFROST_RECONCILE", "60s", "time between comparisons of key names"},
      {Setting::kMaxModuleBytes, "max_module_bytes", "BIFROST_MAX_MODULE_BYTES", "32M",
       "values above this size are not mirrored"},
      {Setting::kMaxPending, "max_pending", "BIFROST_MAX_PENDING", "2000000",
       "how many changed modules may wait to be read; beyond it the agent reads everything again"},
      {Setting::kPython, "python", "BIFROST_PYTHON", "",
       "interpreters to compile for, separated by `:`; none: workers compile the source themselves"},
      {Setting::kOptimize, "optimize", "BIFROST_OPTIMIZE", "0",
       "optimisation levels to compile for, separated by `,`: 0, 1 for workers with -O, 2 for -OO"},
      {Setting::kLogLevel, "log_level", "BIFROST_LOG_LEVEL", "info", "debug, info, warn or error"},
      {Setting::kLogFormat, "log_format", "BIFROST_LOG_FORMAT", "text", "text or json"},
      {Setting::kMetrics, "metrics", "BIFROST_METRICS", "off",
       "where to answer /metrics, /livez and /readyz: 127.0.0.1:9464, [::1]:9464 or off"},
      {Setting::kTelemetry, "telemetry", "BIFROST_TELEMETRY", "on",
       "on: workers add what they counted to a file beside the segment; off: they do not"},
  }};
  return kTable;
}

const SettingInfo& setting_info(Setting id) {
  return setting_table()[static_cast<std::size_t>(id)];
}

std::string flag_of(const SettingInfo& info) {
  std::string flag = "--" + std::string(info.key);
  for (char& c : flag) {
    if (c == '_') c = '-';
  }
  return flag;
}

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string default_segment_dir() {
  struct stat st {};
  const std::string standard(kStandardSegmentDir);
  if (::stat(standard.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return standard;
  return "/dev/shm/bifrost-" + std::to_string(::geteuid());
}

// An empty variable counts as unset, as in most daemons.
const char* variable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

void Settings::set(Setting id, std::string value, std::string origin, Source source) {
  values_[static_cast<std::size_t>(id)] = {std::move(value), std::move(origin)};
  sources_[static_cast<std::size_t>(id)] = source;
}

void Settings::take_defaults() {
  for (const SettingInfo& info : setting_table()) set(info.id, std::string(info.fallback), "default", Source::kDefault);
  set(Setting::kSegmentDir, default_segment_dir(), "default", Source::kDefault);
}

Status Settings::read_config_file(const std::string& path) {
  std::ifstream in(path);
  in.peek();  // opening a directory succeeds, reading it does not
  if (!in) return Error{ErrorCode::kNotFound, "cannot read the config file " + path};
  std::string content(kMaxConfigBytes + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (content.size() > kMaxConfigBytes) {
    return Error{ErrorCode::kInvalidArgument, path + " is longer than a config file may be (1 MiB)"};
  }
  std::istringstream lines(content);
  std::string line;
  for (unsigned number = 1; std::getline(lines, line); ++number) {
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    const std::string where = path + ":" + std::to_string(number);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) {
      return Error{ErrorCode::kInvalidArgument, where + ": expected `key = value`"};
    }
    const std::string_view key = trimmed(text.substr(0, equals));
    const auto& table = setting_table();
    const auto info = std::find_if(table.begin(), table.end(), [key](const SettingInfo& i) { return i.key == key; });
    if (info == table.end()) {
      return Error{ErrorCode::kInvalidArgument, where + ": unknown setting `" + std::string(key) + "`"};
    }
    set(info->id, std::string(trimmed(text.substr(equals + 1))), where, Source::kConfigFile);
  }
  return Done{};
}

// The stronger of redis_url and redis_url_file decides.
Status Settings::read_redis_url_file() {
  const SettingValue& file = entry(Setting::kRedisUrlFile);
  if (file.value.empty()) return Done{};
  const Source url = sources_[static_cast<std::size_t>(Setting::kRedisUrl)];
  const Source named = sources_[static_cast<std::size_t>(Setting::kRedisUrlFile)];
  if (url > named) return Done{};
  if (url == named) {
    return Error{ErrorCode::kInvalidArgument, "redis_url (" + entry(Setting::kRedisUrl).origin +
                                                  ") and redis_url_file (" + file.origin + "): set one of them"};
  }
  std::ifstream in(file.value);
  std::string text(kMaxUrlFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (!in.eof() && text.empty()) {
    return Error{ErrorCode::kNotFound, "cannot read " + file.value + ", the redis_url_file of " + file.origin};
  }
  const std::string redis_url(trimmed(text));
  if (redis_url.empty() || text.size() > kMaxUrlFileBytes || redis_url.find('\n') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, file.value + ", the redis_url_file of " + file.origin +
                                                  ", holds no URL: write redis_url into it, and nothing else"};
  }
  set(Setting::kRedisUrl, redis_url, file.value + " (" + file.origin + ")", named);
  return Done{};
}

Result<Settings> Settings::resolve(const Flags& flags, const std::optional<std::string>& config_file) {
  Settings s;
  s.take_defaults();
  if (config_file) {
    if (const Status read = s.read_config_file(*config_file); !read) return read.error();
  }
  if (const char* url = variable("REDIS_URL")) s.set(Setting::kRedisUrl, url, "REDIS_URL", Source::kRedisUrlVariable);
  for (const SettingInfo& info : setting_table()) {
    if (const char* value = variable(info.variable)) {
      s.set(info.id, value, std::string(info.variable), Source::kVariable);
    }
  }
  for (const auto& [id, value] : flags) s.set(id, value, flag_of(setting_info(id)), Source::kFlag);
  if (const Status read = s.read_redis_url_file(); !read) return read.error();
  return s;
}

namespace {

constexpr char kSystemConfig[] = "/etc/bifrost/bifrost.conf";

struct Unit {
  std::string_view suffix;
  double factor;
};

// A non-negative decimal number with one of `units`. `most` bounds the result, `largest` is how to write that.
Result<std::uint64_t> parse_quantity(std::string_view text, std::initializer_list<Unit> units, double most,
                                     const std::string& what, const std::string& largest) {
  const auto refused = [&](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, "`" + std::string(text) + "` is " + why};
  };
  double number = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (err != std::errc() || !std::isfinite(number) || number < 0) return refused(what);
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (suffix != unit.suffix) continue;
    if (number * unit.factor > most) return refused("too much: write at most " + largest);
    return static_cast<std::uint64_t>(number * unit.factor);
  }
  return refused(what);
}

}  // namespace

std::optional<std::string> system_config_file() {
  if (::access(kSystemConfig, R_OK) != 0) return std::nullopt;
  return kSystemConfig;
}

std::optional<std::string> withheld_config_file() {
  if (::access(kSystemConfig, R_OK) == 0 || errno != EACCES) return std::nullopt;
  return kSystemConfig;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  return parse_quantity(text, {{"", 1}, {"K", 0x1p10}, {"M", 0x1p20}, {"G", 0x1p30}, {"T", 0x1p40}}, 900 * 0x1p40,
                        "not a size: write 65536, 32M or 4G", "900T");
}

Result<std::uint64_t> parse_duration_ms(std::string_view text) {
  if (text == "0") return std::uint64_t{0};
  return parse_quantity(text, {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}, 10'000 * 86400e3,
                        "not a duration: write 250ms, 1s, 2m, 1h or 7d", "10000d");
}

}  // namespace bifrost
