#include "agent/follow/server_facts.hpp"

#include <charconv>

namespace bifrost::agent {
namespace {

std::string_view field(std::string_view info, std::string_view name) {
  for (auto at = info.find(name); at != std::string_view::npos; at = info.find(name, at + 1)) {
    const bool begins_line = at == 0 || info[at - 1] == '\n';
    const std::string_view rest = info.substr(at + name.size());
    if (begins_line && !rest.empty() && rest.front() == ':') return rest.substr(1, rest.find_first_of("\r\n") - 1);
  }
  return {};
}

template <class Number>
Number number(std::string_view text) {
  Number n{};
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

// `cmdstat_x:calls=12,usec=...`; a command that was never called has no line.
std::uint64_t calls(std::string_view info, std::string_view command) {
  std::string_view stat = field(info, command);
  constexpr std::string_view kCalls = "calls=";
  if (stat.substr(0, kCalls.size()) != kCalls) return 0;
  stat.remove_prefix(kCalls.size());
  return number<std::uint64_t>(stat);
}

// A replica that was promoted has its data from its master, whatever it loaded itself.
bool found_nothing_at_its_start(std::string_view info) {
  const std::string_view followed = field(info, "master_replid2");
  const bool always_master = followed.find_first_not_of('0') == std::string_view::npos;
  // The size of the append-only file after it was loaded: not even a base means that there was none.
  const bool no_aof = field(info, "aof_enabled") == "0" || field(info, "aof_base_size") == "0";
  return field(info, "role") == "master" && always_master && field(info, "rdb_last_load_keys_loaded") == "0" && no_aof;
}

// Redis takes the difference of two readings in whole seconds: one tenth may show as a second.
constexpr std::chrono::seconds kUptimeError{1};

}  // namespace

ServerFacts facts_from_info(std::string_view info) {
  ServerFacts facts;
  facts.version = field(info, "redis_version");
  facts.cluster = field(info, "cluster_enabled") == "1";
  facts.run_id = field(info, "run_id");
  facts.role = field(info, "role");
  facts.replication = field(info, "master_replid");
  facts.master_link_up = field(info, "master_link_status") != "down";
  facts.started_empty = found_nothing_at_its_start(info);
  facts.uptime = std::chrono::seconds(number<std::uint32_t>(field(info, "uptime_in_seconds")));
  // INFO itself has been called, so that the section is never empty where it is known.
  if (info.find("cmdstat_") != std::string_view::npos) {
    facts.swaps = calls(info, "cmdstat_swapdb");
    facts.resets = calls(info, "cmdstat_flushall") + calls(info, "cmdstat_flushdb") + calls(info, "cmdstat_debug");
    facts.reconfigurations = calls(info, "cmdstat_config|set") + calls(info, "cmdstat_config");
  }
  return facts;
}

std::string info_not_answered(std::string_view why) {
  return "INFO is not answered any more: " + std::string(why);
}

std::optional<std::string> another_server(const ServerFacts& before, const ServerFacts& now) {
  if (before.run_id != now.run_id) return "another server answers: run id " + now.run_id;
  if (before.role != now.role) return "the server's role changed from " + before.role + " to " + now.role;
  // A master takes a new id when it has had no replica for long; only for a replica it means other data.
  if (now.is_replica() && before.replication != now.replication) return "the replica follows another history";
  return std::nullopt;
}

Sweep swept(const ServerFacts& before, const ServerFacts& now, bool tracking) {
  if (before.swaps != now.swaps) return Sweep::kSwapped;
  return !tracking && before.resets != now.resets ? Sweep::kReset : Sweep::kNone;
}

bool reconfigured(const ServerFacts& before, const ServerFacts& now) {
  return version_at_least(now.version, 7, 0) && before.reconfigurations && now.reconfigurations &&
         before.reconfigurations != now.reconfigurations;
}

bool flags_in_doubt(const ServerFacts& before, const ServerFacts& now) {
  return !now.reconfigurations || before.reconfigurations != now.reconfigurations;
}

std::optional<std::string> lost_since(const LastContact& last, const ServerFacts& now, BootTime at) {
  if (last.other_server) return std::nullopt;
  if (last.facts.run_id == now.run_id) {
    if (!last.facts.resets || last.facts.resets == now.resets) return std::nullopt;
    return std::string(kResetCommands) + " was executed meanwhile";
  }
  // Of a mirror from before a reboot nobody knows: then a server without data has lost it.
  const bool began_later = last.synced_through.ns == 0 || at + kUptimeError >= last.synced_through + now.uptime;
  if (now.started_empty && began_later) return "the server started without data meanwhile";
  return std::nullopt;
}

bool version_at_least(std::string_view version, int major, int minor) {
  int have_major = 0;
  int have_minor = 0;
  const char* const end = version.data() + version.size();
  const auto first = std::from_chars(version.data(), end, have_major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return true;  // unknown: let it try
  if (std::from_chars(first.ptr + 1, end, have_minor).ec != std::errc()) return true;
  return have_major > major || (have_major == major && have_minor >= minor);
}

}  // namespace bifrost::agent
