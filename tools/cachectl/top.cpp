// top - a live view: state, lag, memory, and what happens per second. Ends with q or Ctrl-C.
//
// On a terminal each frame takes the place of the one before and fits it: state and memory on top, then what was
// counted, then the keys. Elsewhere frames follow each other, and without --count there is only one.
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/cli/screen_text.hpp"
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

  enum class Key { kNone, kLeave, kNow, kSlower, kFaster };
  // Waits out `period`, or for a key that means something. An interruption is kLeave.
  Key within(std::chrono::milliseconds period) const {
    const Deadline deadline(period);
    while (!deadline.passed()) {
      pollfd p{STDIN_FILENO, POLLIN, 0};
      const int ready = ::poll(&p, active_ ? 1 : 0, deadline.poll_timeout_ms());
      if (interrupted()) return Key::kLeave;
      char key = 0;
      if (ready <= 0) continue;
      if (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q') return Key::kLeave;
      if (key == ' ') return Key::kNow;
      if (key == '-') return Key::kSlower;
      if (key == '+') return Key::kFaster;
    }
    return interrupted() ? Key::kLeave : Key::kNone;
  }

 private:
  termios before_{};
  bool active_;
};

// An agent that started anew, and a worker that writes nonsense, make counters fall: nothing per second, then.
double rate(std::uint64_t before, std::uint64_t now, double seconds) {
  return now < before || seconds <= 0 ? 0 : static_cast<double>(now - before) / seconds;
}

// What was counted, by agent or workers.
struct Count {
  std::string name;  // as in `stats`
  std::string meaning;
  bool is_bytes;
  std::uint64_t total;
  double per_second;

  std::string shown(double amount, bool with_fraction) const {
    if (is_bytes) return human_bytes(static_cast<std::uint64_t>(amount));
    return with_fraction ? fmt::format("{:.1f}", amount) : fmt::format("{:.0f}", amount);
  }
};

std::vector<Count> counts_of(const Sample& before, const Sample& now) {
  const double seconds = std::chrono::duration<double>(now.at.since(before.at)).count();
  std::vector<Count> counts;
  for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
    const CounterInfo& info = kCounterInfo[i];
    const std::uint64_t total = now.info.counters[i];
    counts.push_back({std::string(info.name), std::string(info.help), info.unit == "bytes", total,
                      rate(before.info.counters[i], total, seconds)});
  }
  for (std::size_t i = 0; now.workers && i < now.workers->size(); ++i) {
    const WorkerCounterInfo& info = kWorkerCounterInfo[i];
    const std::uint64_t total = (*now.workers)[i];
    counts.push_back({fmt::format("worker_{}_total", info.name), "workers: " + std::string(info.help), false, total,
                      before.workers ? rate((*before.workers)[i], total, seconds) : 0});
  }
  return counts;
}

// At most `room` of what is not zero, in the order of `stats`: what moves goes before what does not, and large before
// small.
std::vector<Count> most_telling(std::vector<Count> counts, std::size_t room) {
  std::erase_if(counts, [](const Count& c) { return c.total == 0; });
  if (room == cli::kUnlimited || counts.size() <= room) return counts;
  std::vector<std::size_t> order(counts.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(counts[a].per_second > 0, counts[a].total) > std::pair(counts[b].per_second > 0, counts[b].total);
  });
  order.resize(room);
  std::sort(order.begin(), order.end());
  std::vector<Count> chosen;
  for (const std::size_t i : order) chosen.push_back(counts[i]);
  return chosen;
}

void write_line(Output& out, const std::string& text) {
  out.line(out.width() == cli::kUnlimited ? text : cli::cut_end(text, out.width()));
}

// Returns how many lines that were.
std::size_t write_head(Output& out, const SegmentInfo& info, BootTime now) {
  const Health health = assess(info, now);
  const auto tone = !health.ready            ? Output::Tone::kBad
                    : health.state == "live" ? Output::Tone::kGood
                                             : Output::Tone::kWarning;
  const std::string age =
      info.synced_through.ns == 0 ? "never" : human_duration(now.since(info.synced_through)) + " ago";
  // Colours take no room on the screen, and no state is longer than what may be cut.
  const std::string rest = fmt::format("{}   generation {}   in sync {}   {}", health.ready ? ", ready" : "",
                                       info.generation.value, age, printable(info.redis_url));
  const std::size_t taken = health.state.size();
  out.line(out.toned(health.state, tone) +
           (out.width() == cli::kUnlimited ? rest : cli::cut_end(rest, out.width() - taken)));
  write_line(out,
             fmt::format("{} modules, {} not mirrored, {} retained", info.modules, info.not_mirrored, info.retained));
  write_line(out,
             fmt::format("{} live, {} history, {} of at most {}", human_bytes(info.live_bytes),
                         human_bytes(info.history_bytes), human_bytes(info.size_bytes), human_bytes(info.max_bytes)));
  std::size_t lines = 4;
  const auto write_more = [&](const std::string& text) {
    write_line(out, text);
    ++lines;
  };
  if (!health.problems.empty()) write_more(printable(health.problems.front().what));
  const std::string deploy = deploy_text(health);
  if (!deploy.empty()) write_more("deploying " + deploy);
  out.line("");
  return lines;
}

void write_frame(Output& out, const Sample& before, const Sample& now, std::size_t height,
                 std::chrono::milliseconds period) {
  const std::size_t head = write_head(out, now.info, now.at);
  constexpr std::size_t kTitleAndKeys = 3;  // a blank line before the keys
  const bool fits = height != cli::kUnlimited;
  Table table({{"PER SECOND", Table::Align::kRight},
               {"TOTAL", Table::Align::kRight},
               {"WHAT", Table::Align::kLeft, Table::Cut::kEnd, 20}});
  const auto counts = most_telling(counts_of(before, now), fits ? height - head - kTitleAndKeys : cli::kUnlimited);
  for (const Count& count : counts) {
    table.row(
        {count.shown(count.per_second, true), count.shown(static_cast<double>(count.total), false), count.meaning});
  }
  table.write_to(out);
  if (!fits) return;
  out.line("");
  // Without a line feed: the last line of the screen would scroll the first one away.
  out.write(cli::cut_end(
      fmt::format("q ends   space looks now   + and - change the interval ({})", human_duration(period)), out.width()));
}

nlohmann::ordered_json frame_json(const Sample& before, const Sample& now) {
  const Health health = assess(now.info, now.at);
  nlohmann::ordered_json per_second = nlohmann::ordered_json::object();
  nlohmann::ordered_json totals = nlohmann::ordered_json::object();
  for (const Count& count : counts_of(before, now)) {
    per_second[count.name] = count.per_second;
    totals[count.name] = count.total;
  }
  return {{"schema", 1},
          {"state", health.state},
          {"ready", health.ready},
          {"generation", now.info.generation.value},
          {"modules", now.info.modules},
          {"per_second", per_second},
          {"totals", totals}};
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
    period_ = clamped(std::chrono::milliseconds(*parse_duration_ms(interval_)));
    const bool json = context.format == OutputFormat::kJson;
    const bool screen = !json && is_screen(STDOUT_FILENO);
    const int frames = count_ ? *count_ : screen ? 0 : 1;  // 0: for ever
    auto before = look(context);
    if (!before) return fail(before.error());
    watch_for_interruption();  // the terminal is to be put back
    const KeyInput keys;
    for (int frame = 0; frames == 0 || frame < frames; ++frame) {
      if (!wait_for_frame(keys) || context.out.in_vain()) break;
      auto now = look(context);
      if (!now) return fail(now.error());
      if (json) {
        context.out.line(json_line(frame_json(*before, *now)));
      } else {
        if (screen) context.out.write(kClearScreen);
        write_frame(context.out, *before, *now, screen ? cli::terminal_height(STDOUT_FILENO) : cli::kUnlimited,
                    period_);
      }
      context.out.flush();
      before = std::move(now);
    }
    if (screen) context.out.line("");
    return ExitCode::kSuccess;
  }

 private:
  static std::chrono::milliseconds clamped(std::chrono::milliseconds period) {
    return std::clamp(period, std::chrono::milliseconds(50), std::chrono::milliseconds(3'600'000));
  }

  // False when somebody wants to leave.
  bool wait_for_frame(const KeyInput& keys) {
    switch (keys.within(period_)) {
      case KeyInput::Key::kLeave: return false;
      case KeyInput::Key::kSlower: period_ = clamped(2 * period_); break;
      case KeyInput::Key::kFaster: period_ = clamped(period_ / 2); break;
      default: break;
    }
    return true;
  }

  // Attached anew each time: the agent may have published a successor.
  static Result<Sample> look(Context& context) {
    const auto segment = attach_segment(context);
    if (!segment) return segment.error();
    return Sample{boot_now(), (*segment)->info(), read_telemetry(context.segment_dir())};
  }

  std::string interval_ = "1s";
  std::chrono::milliseconds period_{0};
  std::optional<int> count_;
};

}  // namespace

std::unique_ptr<Command> make_top() {
  return std::make_unique<TopCommand>();
}

}  // namespace bifrost::cachectl
