// wait --ready | --fresh | --synced | --generation N [--timeout 10s] - blocks until it holds, never longer than the
// time-out and the moment that it takes to ask why.
#include <poll.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/control/agent_connection.hpp"
#include "tools/cachectl/agent_access.hpp"
#include "tools/cachectl/agent_words.hpp"
#include "tools/cachectl/health.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::chrono::milliseconds kFirstPause(1);
constexpr std::chrono::milliseconds kLongestPause(10);
constexpr std::chrono::milliseconds kLastWord(250);  // of the agent, on what has not come

class WaitCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    CLI::Option_group* what = app.add_option_group("condition");
    what->add_flag("--ready", ready_, "the lease is valid and the mirror complete, or degraded");
    what->add_flag(
        "--fresh", fresh_,
        "it holds every write that Redis acknowledged before this call; also those of a deploy, once it has ended");
    what->add_flag("--synced", synced_, "the agent has finished every full synchronisation that was asked for");
    what->add_option("--generation", generation_, "it has reached this generation")
        ->check(kGenerationCheck)
        ->type_name("N");
    what->require_option(1);
    app.add_option("--timeout", timeout_, "give up after this long, as in 250ms, 10s or 2m")
        ->capture_default_str()
        ->check(kDurationCheck)
        ->type_name("DURATION");
  }

  ExitCode run(Context& context) override {
    const BootTime start = boot_now();
    const auto limit = std::chrono::milliseconds(*parse_duration_ms(timeout_));
    const Deadline deadline = Deadline::at(start + limit);
    auto pause = kFirstPause;
    std::optional<Error> said;  // the last answer that the end of the time did not cut off
    while (true) {
      const Result<Generation> reached = fresh_    ? fence(context, deadline)
                                         : synced_ ? synchronised(context, deadline)
                                                   : look(context);
      if (reached) {
        report(context, *reached, boot_now().since(start));
        return ExitCode::kSuccess;
      }
      const bool late = deadline.passed();
      if (!said || !late || reached.error().code != ErrorCode::kTimeout) said = reached.error();
      if (late) return give_up(fresh_ || synced_ ? named_by_the_mirror(context, *said) : *said);
      ::poll(nullptr, 0, std::min(static_cast<int>(pause.count()), deadline.poll_timeout_ms()));
      pause = std::min(2 * pause, kLongestPause);
    }
  }

 private:
  // What a deploy has written is acknowledged, and not in the mirror before it ends. It may begin or end meanwhile.
  static Result<Generation> fence(Context& context, const Deadline& deadline) {
    const bool deployed = deploying(context);
    const auto answer = AgentConnection(context.segment_dir()).fence(deadline);
    if (!answer) return answer.error();
    if (!deployed && !deploying(context)) return answer->generation;
    return Error{ErrorCode::kTimeout, "a deploy is going on: what was written since it began is shown when it ends"};
  }

  static bool deploying(Context& context) {
    const auto segment = attach_segment(context.settings);
    return segment && (*segment)->deploying();
  }

  static Result<Generation> synchronised(Context& context, const Deadline& deadline) {
    const auto words = ask_state(context.segment_dir(), deadline);
    if (!words) return words.error();
    if (words->syncing) {
      return Error{ErrorCode::kTimeout, words->redis_trouble.empty()
                                            ? "the agent is still reading everything from Redis"
                                            : "the agent has no working connection to Redis: " + words->redis_trouble};
    }
    const auto segment = attach_segment(context.settings);
    if (!segment) return segment.error();
    return (*segment)->info().generation;
  }

  // kTimeout: reachable, but the condition does not hold yet.
  Result<Generation> look(Context& context, const Result<AgentWords>* answer = nullptr) const {
    const auto segment = attach_segment(context.settings);
    if (!segment) return segment.error();
    const SegmentInfo info = (*segment)->info();
    if (generation_) {
      if (info.generation.value >= *generation_) return info.generation;
      return Error{ErrorCode::kTimeout, fmt::format("the mirror is at generation {}", info.generation.value)};
    }
    const Health health = assess(info, boot_now(), answer);
    if (health.ready) return info.generation;
    return Error{ErrorCode::kTimeout, health.problems.front().what};
  }

  // Of an agent that did not answer in time, or cannot do it now, the mirror may say what it waits for.
  Error named_by_the_mirror(Context& context, const Error& said) const {
    if (said.code != ErrorCode::kTimeout && said.code != ErrorCode::kRefused) return said;
    const auto answer = ask_state(context.segment_dir(), Deadline(kLastWord));
    const auto ready = look(context, &answer);
    return ready ? said : ready.error();
  }

  ExitCode give_up(const Error& last) const {
    say(fmt::format("gave up after {}: {}", timeout_, last.message));
    const ExitCode code = agent_exit_code(last.code);
    return code == ExitCode::kNotAccepted || code == ExitCode::kDifferences ? code : ExitCode::kUnhealthy;
  }

  static void report(Context& context, Generation generation, std::chrono::nanoseconds waited) {
    if (context.format == OutputFormat::kJson) {
      const auto ms = std::chrono::duration<double, std::milli>(waited).count();
      context.out.json({{"schema", 1}, {"generation", generation.value}, {"waited_ms", ms}});
    } else {
      context.out.print("generation {} after {}\n", generation.value, human_duration(waited));
    }
  }

  bool ready_ = false;
  bool fresh_ = false;
  bool synced_ = false;
  std::optional<std::uint64_t> generation_;
  std::string timeout_ = "10s";
};

}  // namespace

std::unique_ptr<Command> make_wait() {
  return std::make_unique<WaitCommand>();
}

}  // namespace bifrost::cachectl
