#include "agent/loop/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <utility>

#include "common/base/json_text.hpp"

namespace bifrost::agent::log {
namespace {

constexpr std::chrono::seconds kCollapseRepeats{5};

bool use_json = false;
Listener listener;

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string in_quotes(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

bool is_plain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte > 0x7e || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

std::string as_text(Level level, std::string_view name, Fields fields) {
  std::string line = fmt::format("level={} event={}", name_of(level), name);
  for (const auto& [key, value] : fields) {
    line += fmt::format(" {}={}", key, is_plain(value.text()) ? value.text() : in_quotes(value.text()));
  }
  return line;
}

std::string as_json(Level level, std::string_view name, Fields fields) {
  std::string line = fmt::format("\"level\":\"{}\",\"event\":\"{}\"", name_of(level), name);
  for (const auto& [key, value] : fields) {
    line += fmt::format(",\"{}\":{}", key, value.is_number() ? value.text() : in_quotes(value.text()));
  }
  return line;
}

std::string formatted(Level level, std::string_view name, Fields fields) {
  return use_json ? as_json(level, name, fields) : as_text(level, name, fields);
}

void write(Level level, const std::string& line) {
  spdlog::default_logger_raw()->log(level_of(level), "{}", line);
}

// The line that came last, and how often it came again since.
struct Last {
  std::string line;
  std::string name;
  Level level = Level::kInfo;
  std::chrono::steady_clock::time_point at;
  std::uint64_t repeats = 0;
};
Last last;

}  // namespace

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
  }
  return "info";
}

void set_listener(Listener heard) {
  listener = std::move(heard);
}

Status set_up(std::string_view level, std::string_view format) {
  if (format != "text" && format != "json") {
    return Error{ErrorCode::kInvalidArgument, "--log-format is text or json"};
  }
  use_json = format == "json";
  auto logger = std::make_shared<spdlog::logger>("bifrost-agent", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->flush_on(spdlog::level::debug);
  logger->set_pattern(use_json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                      spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(logger);
  return set_level(level);
}

Status set_level(std::string_view level) {
  for (const Level l : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (name_of(l) != level) continue;
    spdlog::default_logger_raw()->set_level(level_of(l));
    return Done{};
  }
  return Error{ErrorCode::kInvalidArgument, "--log-level is debug, info, warn or error"};
}

void event(Level level, std::string_view name, Fields fields) {
  if (listener) listener(level, name, fields);
  if (!spdlog::default_logger_raw()->should_log(level_of(level))) return;
  std::string line = formatted(level, name, fields);
  const auto now = std::chrono::steady_clock::now();
  if (line == last.line && now - last.at < kCollapseRepeats) {
    ++last.repeats;
    return;
  }
  if (last.repeats != 0) {
    write(last.level, formatted(last.level, "repeated", {{"event_name", last.name}, {"times", last.repeats}}));
  }
  write(level, line);
  last = {std::move(line), std::string(name), level, now, 0};
}

}  // namespace bifrost::agent::log
