// top - a live view: state, lag, memory, and what happens per second. Ends with q or Ctrl-C.
//
// On a terminal each frame takes the place of the one before; elsewhere frames follow each other, and without --count
// there is only one.
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/telemetry/telemetry_file.hpp"
#include "tools/cachectl/health.hpp"
#include "tools/cachectl/interruption.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::string_view kClearScreen = "\x1b[H\x1b[J";

struct Sample {
  BootTime at;
  SegmentInfo info;
  std::optional<WorkerTotals> workers;
};

// Keys arrive one by one and unseen while this lives.
class KeyInput {
 public:
  KeyInput() : active_(::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!active_) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~KeyInput() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  KeyInput(const KeyInput&) = delete;
  KeyInput& operator=(const KeyInput&) = delete;

  // Waits out `period`; true as soon as somebody wants to leave.
  bool leaves_within(std::chrono::milliseconds period) const {
    const Deadline deadline(period);
    while (!deadline.passed()) {
      pollfd p{STDIN_FILENO, POLLIN, 0};
      const int ready = ::poll(&p, active_ ? 1 : 0, deadline.poll_timeout_ms());
      if (interrupted()) return true;
      char key = 0;
      if (ready > 0 && (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q')) return true;
    }
    return interrupted();
  }

 private:
  termios before_{};
  bool active_;
};

// An agent that started anew, and a worker that writes nonsense, make counters fall: nothing per second, then.
double rate(std::uint64_t before, std::uint64_t now, double seconds) {
  return now < before || seconds <= 0 ? 0 : static_cast<double>(now - before) / seconds;
}

void write_frame(Output& out, const Sample& before, const Sample& now) {
  const SegmentInfo& info = now.info;
  const Health health = assess(info, now.at);
  const double seconds = std::chrono::duration<double>(now.at.since(before.at)).count();
  const auto tone = !health.ready            ? Output::Tone::kBad
                    : health.state == "live" ? Output::Tone::kGood
                                             : Output::Tone::kWarning;
  out.print("{}{}   generation {}   in sync {}   {}\n", out.toned(health.state, tone), health.ready ? ", ready" : "",
            info.generation.value,
            info.synced_through.ns == 0 ? "never" : human_duration(now.at.since(info.synced_through)) + " ago",
            printable(info.redis_url));
  if (!health.problems.empty()) out.print("{}\n", printable(health.problems.front().what));
  out.print("{} modules, {} not mirrored, {} retained   {} live, {} history, {} in all\n\n", info.modules,
            info.not_mirrored, info.retained, human_bytes(info.live_bytes), human_bytes(info.history_bytes),
            human_bytes(info.size_bytes));
  Table table({{"PER SECOND", Table::Align::kRight}, {"TOTAL", Table::Align::kRight}, {"COUNTER"}});
  const auto add = [&](std::uint64_t old, std::uint64_t value, const std::string& name) {
    if (value != 0) table.row({fmt::format("{:.1f}", rate(old, value, seconds)), std::to_string(value), name});
  };
  for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
    add(before.info.counters[i], info.counters[i], std::string(kCounterInfo[i].name));
  }
  for (std::size_t i = 0; now.workers && i < now.workers->size(); ++i) {
    add(before.workers ? (*before.workers)[i] : 0, (*now.workers)[i],
        fmt::format("worker_{}_total", kWorkerCounterInfo[i].name));
  }
  table.write_to(out);
}

class TopCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("--interval", interval_, "time between two looks")
        ->capture_default_str()
        ->check(kDurationCheck)
        ->type_name("DURATION");
    app.add_option("--count", count_, "end after this many frames")->check(CLI::Range(1, 1'000'000))->type_name("N");
  }

  ExitCode run(Context& context) override {
    const auto period =
        std::max(std::chrono::milliseconds(50), std::chrono::milliseconds(*parse_duration_ms(interval_)));
    const bool screen = is_screen(STDOUT_FILENO);
    const int frames = count_ ? *count_ : screen ? 0 : 1;  // 0: for ever
    auto before = look(context);
    if (!before) return fail(before.error());
    watch_for_interruption();  // the terminal is to be put back
    const KeyInput keys;
    for (int frame = 0; frames == 0 || frame < frames; ++frame) {
      if (keys.leaves_within(period)) break;
      auto now = look(context);
      if (!now) return fail(now.error());
      if (screen) context.out.write(kClearScreen);
      write_frame(context.out, *before, *now);
      context.out.flush();
      before = std::move(now);
    }
    return ExitCode::kSuccess;
  }

 private:
  // Attached anew each time: the agent may have published a successor.
  static Result<Sample> look(Context& context) {
    const auto segment = attach_segment(context);
    if (!segment) return segment.error();
    return Sample{boot_now(), (*segment)->info(), read_telemetry(context.segment_dir())};
  }

  std::string interval_ = "1s";
  std::optional<int> count_;
};

}  // namespace

std::unique_ptr<Command> make_top() {
  return std::make_unique<TopCommand>();
}

}  // namespace bifrost::cachectl
