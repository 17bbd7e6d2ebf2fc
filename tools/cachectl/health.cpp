#include "tools/cachectl/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/redis/contract.hpp"
#include "tools/cachectl/text.hpp"

namespace bifrost::cachectl {
namespace {

using layout::AgentState;

constexpr char kRestartAgent[] =
    "systemctl restart bifrost-agent: it takes over from this segment and workers need no restart";

std::string_view name_of(AgentState state) {
  switch (state) {
    case AgentState::kStarting: return "starting";
    case AgentState::kSyncing: return "syncing";
    case AgentState::kLive: return "live";
    case AgentState::kDegraded: return "degraded";
    case AgentState::kCold: return "cold";
    case AgentState::kStopped: return "stopped";
  }
  return "degraded";
}

// Longer than any pause of a healthy event loop, shorter than an operator's patience.
std::chrono::nanoseconds longest_silence(const SegmentInfo& info) {
  const auto lease = std::min(info.lease, std::chrono::milliseconds(60'000));
  return std::max<std::chrono::nanoseconds>(std::chrono::seconds(3), 3 * lease);
}

bool agent_silent(const SegmentInfo& info, BootTime now) {
  return info.heartbeat > now || now.since(info.heartbeat) > longest_silence(info);
}

std::string_view state_of(const SegmentInfo& info, BootTime now) {
  if (info.state == AgentState::kStopped) return "stopped";
  if (info.lease_valid(now)) return name_of(info.state);
  if (agent_silent(info, now)) return "stale";
  // Without a lease, but at work to get one.
  if (info.state == AgentState::kStarting) return "starting";
  return info.state == AgentState::kSyncing && info.redis_connected ? "syncing" : "stale";
}

const AgentWords* words_in(const Result<AgentWords>* answer) {
  return answer != nullptr && *answer ? &**answer : nullptr;
}

bool is_about_the_password(std::string_view trouble) {
  return trouble.find("WRONGPASS") != std::string_view::npos || trouble.find("NOAUTH") != std::string_view::npos;
}

Problem no_redis(const SegmentInfo& info, const AgentWords* words) {
  std::string what = fmt::format("the agent has no working connection to Redis at {}", info.redis_url);
  if (words != nullptr && !words->redis_trouble.empty()) {
    return {
        "redis_down", what + ": " + words->redis_trouble,
        is_about_the_password(words->redis_trouble)
            ? "give redis_url or redis_url_file the password that Redis accepts (bifrost-cachectl config says where "
              "the agent has its own from), then systemctl restart bifrost-agent: it reads them when it starts"
            : "bifrost-cachectl doctor says more; the agent reconnects by itself",
        true};
  }
  return {"redis_down", std::move(what),
          "journalctl -u bifrost-agent: the newest redis_lost says why; bifrost-cachectl doctor asks Redis from here; "
          "the agent reconnects by itself",
          true};
}

Problem silent_agent(const SegmentInfo& info, BootTime now) {
  return {"agent_silent",
          fmt::format("the agent (pid {}) has given no sign of life for {}", info.agent_pid,
                      human_duration(now.since(info.heartbeat))),
          kRestartAgent, true};
}

Problem why_not_ready(const SegmentInfo& info, std::string_view state, BootTime now, const Result<AgentWords>* answer) {
  if (state == "stopped") {
    return {"agent_stopped", "the agent was stopped",
            "systemctl start bifrost-agent; until then workers ask Redis, and without Redis use what was mirrored last",
            true};
  }
  if (!info.clock_is_ours) {
    return {"other_clock",
            "the segment's times are of another boot or time namespace: they tell neither how fresh it is nor whether "
            "the agent lives",
            "after a reboot: systemctl restart bifrost-agent; otherwise run workers and this program in the agent's "
            "time namespace",
            true};
  }
  if (agent_silent(info, now)) return silent_agent(info, now);
  const AgentWords* words = words_in(answer);
  if (!info.redis_connected) return no_redis(info, words);
  if (words != nullptr && words->replica_cut_off) {
    return {
        "replica_cut_off",
        "the replica that the agent follows hears nothing of its master, and may be behind by any amount: workers ask "
        "it themselves",
        "mend its replication (redis-cli INFO replication), or name the master in redis_url", true};
  }
  if (words != nullptr && words->starved) {
    return {"segment_full",
            "a change has found no room at all, so that the mirror may show an old version: workers ask Redis",
            "give the file system of the segment directory more room (df), or set a larger max_size in "
            "/etc/bifrost/bifrost.conf and systemctl restart bifrost-agent",
            true};
  }
  // Another attempt after one that failed may well fail by the same.
  const bool again = words != nullptr && !words->redis_trouble.empty();
  const std::string before = again ? "; the attempt before failed: " + words->redis_trouble : "";
  const std::string wait = again ? "bifrost-cachectl doctor, if it fails again; workers ask Redis until then"
                                 : "bifrost-cachectl wait --ready; workers ask Redis until then";
  const bool at_work = state == "starting" || state == "syncing";
  if (at_work && info.deploying_since_unix_ms != 0) {
    return {
        info.synced_through.ns == 0 ? "first_sync" : "syncing",
        "a deploy is going on: what the agent reads is held back until it ends, or for ten minutes; workers ask Redis, "
        "and get what has been written of it so far" +
            before,
        deploy_advice(), true};
  }
  if (at_work && info.synced_through.ns == 0) {
    return {"first_sync", "the first synchronisation with Redis is not finished" + before, wait, true};
  }
  if (at_work || (!info.complete && info.state != AgentState::kDegraded)) {
    return {"syncing", "the agent reads everything from Redis again" + before, wait, true};
  }
  // Whoever does not answer has not asked Redis either.
  if (answer != nullptr && did_not_answer(*answer)) return silent_agent(info, now);
  return {
      "not_confirmed",
      // Whoever did not ask the agent does not know whose fault it is.
      answer == nullptr ? "nobody has confirmed the mirror within its lease"
                        : "Redis has not confirmed the mirror within its lease",
      info.state == AgentState::kDegraded
          ? "bifrost-cachectl doctor; look for a slow or stopped Redis. Or raise max_size: a change may wait for room"
          : "bifrost-cachectl doctor; look for a slow or stopped Redis",
      true};
}

bool has(std::uint64_t signals, layout::Signal signal) {
  return (signals & static_cast<std::uint64_t>(signal)) != 0;
}

// What the mirror lacks although the agent works.
void add_shortcomings(const SegmentInfo& info, std::vector<Problem>& problems) {
  if (has(info.signals, layout::Signal::kUnproven)) {
    problems.push_back(
        {"signal_unproven",
         "nobody can tell whether Redis sends keyspace notifications: the agent may not execute CONFIG GET, and goes "
         "by signal = keyspace alone. Without them it misses every change",
         "allow the agent +config|get, or CLIENT TRACKING and signal = both; until then make sure that "
         "notify-keyspace-events holds KA: bifrost-cachectl diff tells what was missed"});
  }
  if (info.state == AgentState::kCold) {
    problems.push_back(
        {"redis_lost_modules", "Redis lost its modules; the mirror keeps what it has seen",
         "bifrost-cachectl push DIR writes them again; to drop them, as root or the agent's user: bifrost-cachectl "
         "sync --prune"});
  }
  const bool said = !problems.empty() && problems.front().name == "segment_full";  // and what is worse
  if (info.state == AgentState::kDegraded && !said) {
    problems.push_back(
        {"segment_full",
         info.complete ? "the segment is full and cannot grow; workers ask Redis for what does not fit"
                       : "the segment is full and cannot grow; not even all names fit, so the mirror is not complete, "
                         "and workers ask Redis for whatever they do not find",
         fmt::format("set a larger max_size in /etc/bifrost/bifrost.conf, or give its file system more room, then "
                     "systemctl restart bifrost-agent; workers need nothing. bifrost-cachectl list -o wide | grep "
                     "not_mirrored names {} and what is full",
                     info.complete ? "them" : "some of them")});
  }
  if (info.not_mirrored != 0) {
    problems.push_back({"not_mirrored",
                        fmt::format("{}{} module{} not mirrored; workers ask Redis for {}",
                                    info.complete ? "" : "at least ", info.not_mirrored,
                                    info.not_mirrored == 1 ? " is" : "s are", info.not_mirrored == 1 ? "it" : "them"),
                        "bifrost-cachectl list -o wide | grep not_mirrored"});
  }
}

void add_overdue_deploy(const AgentWords& words, std::vector<Problem>& problems) {
  if (words.overdue_deploy_since_unix_ms == 0) return;
  problems.push_back(
      {"deploy_overdue",
       fmt::format(
           "{} has been there since {}: it is no longer waited for, so that every deploy, and every large push, "
           "is seen in parts",
           contract::kDeployingKey, utc_time(words.overdue_deploy_since_unix_ms)),
       fmt::format("if no deploy is going on, delete {} in Redis", contract::kDeployingKey)});
}

void add_unshared_chunk(const AgentWords& words, std::vector<Problem>& problems) {
  if (words.chunk_not_shared.empty()) return;
  problems.push_back({"chunk_not_shared",
                      "an agent before left a chunk with another group or mode, which this one may not change: " +
                          words.chunk_not_shared + "; workers that may not read it ask Redis for what is in it",
                      "as root, give the chunks the group and mode that the file segment has in the same directory "
                      "(chgrp, chmod)"});
}

// What the agent's interpreters cannot do.
void add_compile_problems(const AgentWords& words, std::vector<Problem>& problems) {
  for (const AgentWords::Interpreter& i : words.interpreters) {
    if (i.trouble.empty()) continue;
    const bool names_it = i.trouble.starts_with(i.python);
    problems.push_back({"interpreter_unusable", names_it ? i.trouble : i.python + ": " + i.trouble, i.advice});
  }
  if (words.not_compiled == 0) return;
  const bool one = words.not_compiled == 1 && !words.more_not_compiled;
  std::string what = fmt::format("{}{} module{} not compile", words.more_not_compiled ? "more than " : "",
                                 words.not_compiled, one ? " does" : "s do");
  if (words.first_failure) {
    what += fmt::format("{} {}, {}", one ? ":" : "; the first:", words.first_failure->path,
                        words.first_failure->where_and_why());
  }
  problems.push_back({"not_compiled", std::move(what),
                      one && words.first_failure
                          ? "its import fails, too: bifrost-cachectl get " + words.first_failure->path
                          : "their imports fail, too: bifrost-cachectl list -o wide | grep 'line '"});
}

}  // namespace

Health assess(const SegmentInfo& info, BootTime now, const Result<AgentWords>* answer) {
  Health health;
  health.state = state_of(info, now);
  health.ready = info.ready(now);
  const bool lives = info.state != AgentState::kStopped && (info.lease_valid(now) || !agent_silent(info, now));
  if (lives) health.deploying_since_unix_ms = info.deploying_since_unix_ms;
  if (!health.ready) health.problems.push_back(why_not_ready(info, health.state, now, answer));
  add_shortcomings(info, health.problems);
  if (const AgentWords* words = words_in(answer)) {
    add_overdue_deploy(*words, health.problems);
    add_unshared_chunk(*words, health.problems);
    add_compile_problems(*words, health.problems);
  }
  return health;
}

bool did_not_answer(const Result<AgentWords>& answer) {
  return !answer && (answer.error().code == ErrorCode::kUnreachable || answer.error().code == ErrorCode::kTimeout);
}

Problem missing_control_socket() {
  return {"no_control_socket", "the agent's control socket is missing: fresh executions ask Redis",
          "systemctl restart bifrost-agent, unless the socket is back within a second: the agent looks after it", true};
}

Problem silent_control_socket() {
  return {"agent_silent", "the agent does not answer: fresh executions ask Redis, though the lease still holds",
          kRestartAgent, true};
}

Problem forbidden_control_socket() {
  return {"control_socket_forbidden", "this user may not use the agent's control socket: its executions ask Redis",
          "usermod -a -G bifrost USER, as root, then log in again"};
}

std::string deploy_text(const Health& health) {
  if (health.deploying_since_unix_ms == 0) return {};
  return fmt::format("since {}: executions {}", utc_time(health.deploying_since_unix_ms),
                     health.ready ? "get the state before" : "may get a part of it");
}

std::string deploy_advice() {
  return fmt::format("wait for the end of the deploy; if nobody deploys, delete {} in Redis", contract::kDeployingKey);
}

std::string_view signal_name(std::uint64_t signals) {
  const bool keyspace = has(signals, layout::Signal::kKeyspace);
  const bool tracking = has(signals, layout::Signal::kTracking);
  if (keyspace && tracking) return "both";
  return keyspace ? "keyspace" : tracking ? "tracking" : "none";
}

std::string_view cuts_name(layout::Cuts cuts) {
  return cuts == layout::Cuts::kMarks ? "marks" : cuts == layout::Cuts::kFences ? "fences" : "unknown";
}

}  // namespace bifrost::cachectl
