#include "agent/log.hpp"

#include <spdlog/sinks/dup_filter_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>

namespace bifrost::agent::log {
namespace {

constexpr std::chrono::seconds kCollapseRepeats{5};

bool use_json = false;

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
  }
  return "info";
}

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// ASCII only: everything else, control characters above all, becomes \u00XX of its byte.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte > 0x7e) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
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
  std::string line = fmt::format("level={} event={}", level_name(level), name);
  for (const auto& [key, value] : fields) {
    line += fmt::format(" {}={}", key, is_plain(value.text()) ? value.text() : in_quotes(value.text()));
  }
  return line;
}

std::string as_json(Level level, std::string_view name, Fields fields) {
  std::string line = fmt::format("\"level\":\"{}\",\"event\":\"{}\"", level_name(level), name);
  for (const auto& [key, value] : fields) {
    line += fmt::format(",\"{}\":{}", key, value.is_number() ? value.text() : in_quotes(value.text()));
  }
  return line;
}

}  // namespace

Status set_up(std::string_view level, std::string_view format) {
  if (format != "text" && format != "json") {
    return Error{ErrorCode::kInvalidArgument, "--log-format is text or json"};
  }
  use_json = format == "json";
  spdlog::level::level_enum threshold = spdlog::level::off;
  for (const Level l : {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError}) {
    if (level_name(l) == level) threshold = level_of(l);
  }
  if (threshold == spdlog::level::off) {
    return Error{ErrorCode::kInvalidArgument, "--log-level is debug, info, warn or error"};
  }
  std::shared_ptr<spdlog::sinks::sink> sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  if (!use_json) {  // the filter's "skipped" line is no JSON
    auto once = std::make_shared<spdlog::sinks::dup_filter_sink_mt>(kCollapseRepeats);
    once->add_sink(sink);
    sink = once;
  }
  auto logger = std::make_shared<spdlog::logger>("bifrost-agent", sink);
  logger->set_level(threshold);
  logger->flush_on(spdlog::level::debug);
  logger->set_pattern(use_json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ",%v})" : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                      spdlog::pattern_time_type::utc);
  spdlog::set_default_logger(logger);
  return Done{};
}

void event(Level level, std::string_view name, Fields fields) {
  if (!spdlog::default_logger_raw()->should_log(level_of(level))) return;
  spdlog::default_logger_raw()->log(level_of(level), "{}",
                                    use_json ? as_json(level, name, fields) : as_text(level, name, fields));
}

}  // namespace bifrost::agent::log
