// status - one screen: what is wrong and what to do comes first, the numbers after it.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/segment_dir.hpp"
#include "tools/cachectl/health.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::milliseconds kStatusTime(300);
constexpr std::chrono::milliseconds kLongestPulse(1500);  // between two signs of life of an agent at work
constexpr std::size_t kIndent = 12;                       // of what stands beside a name
constexpr std::size_t kProblemIndent = 11;                // beside NOT READY

// A field of the screen.
void field(Output& out, std::string_view name, std::string_view value) {
  out.paragraph(name, value, kIndent);
}

std::uint64_t milliseconds_of(std::chrono::nanoseconds duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms < 0 ? 0 : static_cast<std::uint64_t>(ms);
}

std::string age_text(BootTime then, BootTime now) {
  return then.ns == 0 ? "never" : human_duration(now.since(then)) + " ago";
}

std::string up_text(const SegmentInfo& info) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  return human_duration(std::chrono::milliseconds(now_ms - std::min(now_ms, info.agent_started_unix_ms)));
}

bool has_problem(const Health& health, std::string_view name) {
  return std::any_of(health.problems.begin(), health.problems.end(),
                     [name](const Problem& p) { return p.name == name; });
}

std::string code_text(const SegmentInfo& info, const Health& health) {
  if (info.code.empty()) {
    const bool wanted = has_problem(health, "interpreter_unusable");
    return std::string("none shared: workers compile") + (wanted ? "" : " (start the agent with --python)");
  }
  std::string text;
  for (const SegmentInfo::Code& c : info.code) {
    text += fmt::format("{}{} of {} modules for {}", text.empty() ? "" : ", ", c.modules, info.modules,
                        printable(c.tag.name()));
    if (!c.made_here) text += " (taken over; no interpreter here makes more)";
  }
  return text + ", " + human_bytes(info.code_bytes);
}

// Nothing before the agent has found out.
std::string cuts_text(layout::Cuts cuts) {
  return cuts == layout::Cuts::kUnknown ? "" : fmt::format(", groups by {}", cuts_name(cuts));
}

std::string_view limit_name(layout::HistoryLimit limit) {
  switch (limit) {
    case layout::HistoryLimit::kHistorySize: return "history_size";
    case layout::HistoryLimit::kMaxSize: return "max_size";
    case layout::HistoryLimit::kFileSystem: return "file_system";
    default: return "age";
  }
}

ordered_json history_json(const SegmentInfo& info, BootTime now) {
  ordered_json reach;  // null: nothing has been given up
  if (info.history_since.ns != 0) reach = milliseconds_of(now.since(info.history_since));
  return {{"kept_from", info.oldest_generation.value},
          {"reaches_back_ms", reach},
          {"limit", limit_name(info.history_limit)},
          {"wanted_ms", info.history.count()}};
}

// How old an execution may be and still find its versions, and what keeps it from more.
std::string history_text(const SegmentInfo& info, BootTime now) {
  const std::string wanted = human_duration(info.history);
  if (info.history_since.ns == 0) return fmt::format("everything since this segment began; kept for {}", wanted);
  const std::string reach = human_duration(now.since(info.history_since));
  switch (info.history_limit) {
    case layout::HistoryLimit::kHistorySize:
      return fmt::format("reaches back {} of {}: more does not fit --history-size", reach, wanted);
    case layout::HistoryLimit::kMaxSize:
      return fmt::format("reaches back {} of {}: more does not fit --max-size", reach, wanted);
    case layout::HistoryLimit::kFileSystem:
      return fmt::format("reaches back {} of {}: the file system is full", reach, wanted);
    default: return fmt::format("reaches back {}", reach);
  }
}

bool control_socket_is_there(const std::string& dir) {
  struct stat st {};
  return ::stat(path_in(dir, kControlSocketName).c_str(), &st) == 0 && S_ISSOCK(st.st_mode);
}

class StatusCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    const auto segment = attach_segment(context);
    if (!segment) return fail(segment.error());
    const SegmentInfo info = (*segment)->info();
    const BootTime now = boot_now();
    const auto answer = ask_agent(context, assess(info, now));
    Health health = assess(info, now, &answer);
    look_at_socket(context, answer, info, now, health);
    if (context.format == OutputFormat::kJson) {
      write_json(context, info, health, now);
    } else {
      write_screen(context, info, health, now);
    }
    return health.ready ? ExitCode::kSuccess : ExitCode::kUnhealthy;
  }

 private:
  // An agent that is stopped or silent is not asked.
  static Result<AgentWords> ask_agent(const Context& context, const Health& health) {
    if (has_problem(health, "agent_stopped") || has_problem(health, "agent_silent")) {
      return Error{ErrorCode::kUnreachable, "there is no agent to ask"};
    }
    return ask_state(context.segment_dir(), Deadline(kStatusTime));
  }

  static void look_at_socket(const Context& context, const Result<AgentWords>& answer, const SegmentInfo& info,
                             BootTime now, Health& health) {
    if (!answer && answer.error().code == ErrorCode::kPermission) health.problems.push_back(forbidden_control_socket());
    if (!health.ready) return;
    const bool there = control_socket_is_there(context.segment_dir());
    // A lease may outlive the agent by long. One that is only busy goes on to give signs of life.
    const bool silent = did_not_answer(answer) && now.since(info.heartbeat) > kLongestPulse;
    if (there && !silent) return;
    health.ready = false;
    health.problems.insert(health.problems.begin(), there ? silent_control_socket() : missing_control_socket());
  }

  static void write_json(Context& context, const SegmentInfo& info, const Health& health, BootTime now) {
    ordered_json problems = ordered_json::array();
    for (const Problem& p : health.problems) {
      problems.push_back({{"name", p.name}, {"what", p.what}, {"advice", p.advice}, {"blocks", p.blocks}});
    }
    ordered_json synced_age;  // null: never in sync
    if (info.synced_through.ns != 0) synced_age = milliseconds_of(now.since(info.synced_through));
    ordered_json deploying;  // null: no deploy is going on
    if (health.deploying_since_unix_ms != 0) deploying = utc_time(health.deploying_since_unix_ms);
    ordered_json code = ordered_json::object();
    for (const SegmentInfo::Code& c : info.code) code[c.tag.name()] = c.modules;
    context.out.json({
        {"schema", 1},
        {"state", health.state},
        {"ready", health.ready},
        {"complete", info.complete},
        {"generation", info.generation.value},
        {"synced_age_ms", synced_age},
        {"lease_valid", info.lease_valid(now)},
        {"modules", info.modules},
        {"not_mirrored", info.not_mirrored},
        {"retained", info.retained},
        {"redis",
         {{"connected", info.redis_connected},
          {"url", info.redis_url},
          {"signal", signal_name(info.signals)},
          {"cuts", cuts_name(info.cuts)},
          {"run_id", info.run_id}}},
        {"deploying_since", deploying},
        {"memory",
         {{"size", info.size_bytes},
          {"max", info.max_bytes},
          {"used", info.live_bytes},
          {"reclaimable", info.history_bytes},
          {"code", info.code_bytes},
          {"chunks", info.chunks}}},
        {"history", history_json(info, now)},
        {"slots", {{"size", info.slot_count}, {"used", info.slots_used}}},
        {"code", code},
        {"agent",
         {{"pid", info.agent_pid},
          {"version", info.agent_version},
          {"started", utc_time(info.agent_started_unix_ms)},
          {"heartbeat_age_ms", milliseconds_of(now.since(info.heartbeat))}}},
        {"lease_ms", info.lease.count()},
        {"workspace", info.workspace},
        {"segment", path_in(context.segment_dir(), kSegmentFileName)},
        {"layout_version", info.layout_version},
        {"problems", problems},
    });
  }

  static void write_screen(Context& context, const SegmentInfo& info, const Health& health, BootTime now) {
    Output& out = context.out;
    for (const Problem& p : health.problems) {
      const std::string_view label = p.blocks ? "NOT READY" : "note";
      const std::string padding(kProblemIndent - label.size(), ' ');
      out.paragraph(out.toned(label, p.blocks ? Output::Tone::kBad : Output::Tone::kWarning) + padding,
                    printable(p.what), kProblemIndent);
      out.paragraph("", printable(p.advice), kProblemIndent);
    }
    if (!health.problems.empty()) out.line("");
    const auto tone = !health.ready            ? Output::Tone::kBad
                      : health.state == "live" ? Output::Tone::kGood
                                               : Output::Tone::kWarning;
    field(out, "state", fmt::format("{}{}", out.toned(health.state, tone), health.ready ? ", ready" : ""));
    field(out, "generation", fmt::format("{}, in sync {}", info.generation.value, age_text(info.synced_through, now)));
    field(out, "modules",
          fmt::format("{} mirrored, {}{} not mirrored, {} retained{}", info.modules, info.complete ? "" : "at least ",
                      info.not_mirrored, info.retained, info.complete ? "" : "; the mirror is not complete"));
    field(out, "redis",
          fmt::format("{}{}, signal {}{}", info.redis_connected ? "" : "NOT CONNECTED, ", printable(info.redis_url),
                      signal_name(info.signals), cuts_text(info.cuts)));
    const std::string deploy = deploy_text(health);
    if (!deploy.empty()) field(out, "deploying", deploy);
    field(out, "memory",
          fmt::format("{} live, {} history, {} of at most {}", human_bytes(info.live_bytes),
                      human_bytes(info.history_bytes), human_bytes(info.size_bytes), human_bytes(info.max_bytes)));
    field(out, "history", history_text(info, now));
    field(out, "code", code_text(info, health));
    field(out, "agent",
          fmt::format("pid {}, version {}, up {}, sign of life {}", info.agent_pid, printable(info.agent_version),
                      up_text(info), age_text(info.heartbeat, now)));
    field(
        out, "segment",
        fmt::format("{}, layout {}", printable(path_in(context.segment_dir(), kSegmentFileName)), info.layout_version));
    if (context.format != OutputFormat::kWide) return;
    field(out, "started", utc_time(info.agent_started_unix_ms));
    field(out, "lease", fmt::format("{}, {}", human_duration(info.lease), info.lease_valid(now) ? "valid" : "lapsed"));
    field(out, "snapshots", fmt::format("readable from generation {}", info.oldest_generation.value));
    field(out, "slots", fmt::format("{} of {} used, {} import names", info.slots_used, info.slot_count, info.nodes));
    field(out, "workspace", printable(info.workspace));
  }
};

}  // namespace

std::unique_ptr<Command> make_status() {
  return std::make_unique<StatusCommand>();
}

}  // namespace bifrost::cachectl
