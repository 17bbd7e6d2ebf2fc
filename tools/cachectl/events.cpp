// events [--follow] - what the agent did lately, and with --follow what it does: commits, connections, values that were
// rejected, modules that do not compile. Each line goes out at once; Ctrl-C ends it.
#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "common/control/agent_connection.hpp"
#include "common/control/control_protocol.hpp"
#include "tools/cachectl/agent_access.hpp"
#include "tools/cachectl/agent_words.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

using nlohmann::ordered_json;

// The agent answers earlier when nothing happens.
constexpr std::chrono::seconds kEventsTime = control::kLongestEventsWait + std::chrono::seconds(5);

class EventsCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_flag("-f,--follow", follow_, "then show events as they happen");
    app.add_option("--limit", limit_, "show at most this many earlier events")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str()
        ->type_name("N");
  }

  ExitCode run(Context& context) override {
    AgentConnection agent(context.segment_dir());
    await_agent(context, agent);
    std::uint64_t newest = 0;
    bool first = true;
    bool may_wait = false;  // it has told something since
    do {
      const auto document = ask_document_with(agent, std::string(control::kEvents) + std::to_string(newest), "events",
                                              Deadline(kEventsTime));
      if (!document) {
        // One that is restarted is waited for as at the beginning. All that it tells is new.
        const bool gone = agent_exit_code(document.error().code) == ExitCode::kAbsent;
        if (!gone || !follow_ || !std::exchange(may_wait, false)) return fail_without_agent(document.error());
        await_agent(context, agent);
        newest = 0;
        continue;
      }
      may_wait = true;
      const ordered_json& events = document->at("events");
      const std::size_t skipped = first && events.size() > limit_ ? events.size() - limit_ : 0;
      for (std::size_t i = skipped; i < events.size(); ++i) write(context, events[i]);
      context.out.flush();
      newest = document->value("newest", newest);
      first = false;
    } while (follow_ && !context.out.in_vain());
    return ExitCode::kSuccess;
  }

 private:
  static void write(Context& context, const ordered_json& event) {
    if (context.format == OutputFormat::kJson) {
      ordered_json shown = {{"schema", 1}};
      shown.update(event);
      context.out.line(json_line(shown));
      return;
    }
    std::string fields;
    for (const auto& [key, value] : event.items()) {
      if (key == "number" || key == "unix_ms" || key == "level" || key == "event") continue;
      fields +=
          fmt::format(" {}={}", printable(key), printable(value.is_string() ? value.get<std::string>() : value.dump()));
    }
    const std::string level = event.value("level", "");
    const auto tone = level == "error"  ? Output::Tone::kBad
                      : level == "warn" ? Output::Tone::kWarning
                                        : Output::Tone::kGood;
    constexpr std::size_t kIndent = 22;  // beside the time
    context.out.paragraph(utc_time(event.value("unix_ms", std::uint64_t{0})),
                          context.out.toned(printable(event.value("event", "")), tone) + fields, kIndent);
  }

  bool follow_ = false;
  std::size_t limit_ = 1000;
};

}  // namespace

std::unique_ptr<Command> make_events() {
  return std::make_unique<EventsCommand>();
}

}  // namespace bifrost::cachectl
