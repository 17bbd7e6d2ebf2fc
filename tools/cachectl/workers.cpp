// workers - which worker processes have begun an execution, by generation, and who holds the oldest snapshot. What
// workers say themselves (common/telemetry/presence_file.hpp), less those that no longer run.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "common/telemetry/presence_file.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

using nlohmann::ordered_json;

struct Worker {
  Presence presence;
  bool elsewhere = false;  // in another pid namespace: whether it still runs cannot be known here
};

std::string_view name_of(PresenceSource source) {
  switch (source) {
    case PresenceSource::kMirror: return "shm";
    case PresenceSource::kStale: return "stale";
    case PresenceSource::kRedis: return "redis";
  }
  return "redis";
}

std::vector<Worker> workers_among(const std::vector<Presence>& said) {
  std::vector<Worker> workers;
  const std::uint64_t here = own_pid_namespace();
  for (const Presence& p : said) {
    const bool elsewhere = p.pid_namespace != here || here == 0;
    if (elsewhere || still_runs(p)) workers.push_back({p, elsewhere});
  }
  // The oldest snapshot first; those without one last.
  std::sort(workers.begin(), workers.end(), [](const Worker& a, const Worker& b) {
    const auto key = [](const Presence& p) { return std::tuple(p.generation - 1, p.since.ns, p.pid); };
    return key(a.presence) < key(b.presence);
  });
  return workers;
}

std::string generation_text(std::uint64_t generation) {
  return generation == 0 ? "none" : std::to_string(generation);
}

ordered_json json_of(const Worker& w, BootTime now) {
  const Presence& p = w.presence;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.since(p.since)).count();
  return {{"pid", p.pid},
          {"pid_namespace", p.pid_namespace},
          {"elsewhere", w.elsewhere},
          {"generation", p.generation},
          {"source", name_of(p.source)},
          {"since_ms", ms}};
}

class WorkersCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    const auto segment = attach_segment(context);
    if (!segment) return fail(segment.error());
    const auto said = read_presence(context.segment_dir());
    if (!said) {
      say("workers cannot report here: the agent runs with telemetry = off, or is of an earlier release");
      return ExitCode::kError;
    }
    const std::vector<Worker> workers = workers_among(*said);
    const std::uint64_t newest = (*segment)->info().generation.value;
    switch (context.format) {
      case OutputFormat::kJson: write_json(context.out, workers, newest); break;
      case OutputFormat::kWide: write_each(context.out, workers); break;
      case OutputFormat::kTable: write_generations(context.out, workers, newest);
    }
    return ExitCode::kSuccess;
  }

 private:
  // Of those that have one.
  static std::optional<Worker> oldest_of(const std::vector<Worker>& workers) {
    if (workers.empty() || workers.front().presence.generation == 0) return std::nullopt;
    return workers.front();
  }

  static std::map<std::uint64_t, std::vector<Worker>> by_generation(const std::vector<Worker>& workers) {
    std::map<std::uint64_t, std::vector<Worker>> groups;
    for (const Worker& w : workers) groups[w.presence.generation].push_back(w);
    return groups;
  }

  static void write_json(Output& out, const std::vector<Worker>& workers, std::uint64_t newest) {
    ordered_json generations = ordered_json::array();
    for (const auto& [generation, group] : by_generation(workers)) {
      generations.push_back({{"generation", generation}, {"workers", group.size()}});
    }
    const BootTime now = boot_now();
    ordered_json each = ordered_json::array();
    for (const Worker& w : workers) each.push_back(json_of(w, now));
    const auto oldest = oldest_of(workers);
    out.json({{"schema", 1},
              {"generation", newest},
              {"workers", workers.size()},
              {"generations", generations},
              {"oldest", oldest ? json_of(*oldest, now) : ordered_json(nullptr)},
              {"processes", each}});
  }

  static void write_each(Output& out, const std::vector<Worker>& workers) {
    Table table(
        {{"PID", Table::Align::kRight}, {"GENERATION", Table::Align::kRight}, {"SOURCE"}, {"SINCE"}, {"WHERE"}});
    const BootTime now = boot_now();
    for (const Worker& w : workers) {
      const Presence& p = w.presence;
      table.row({std::to_string(p.pid), generation_text(p.generation), std::string(name_of(p.source)),
                 human_duration(now.since(p.since)) + " ago",
                 w.elsewhere ? fmt::format("pid namespace {}", p.pid_namespace) : "here"});
    }
    table.write_to(out);
  }

  static void write_generations(Output& out, const std::vector<Worker>& workers, std::uint64_t newest) {
    if (workers.empty()) {
      out.line("no worker says that it runs an execution");
      return;
    }
    Table table({{"GENERATION", Table::Align::kRight}, {"WORKERS", Table::Align::kRight}, {"NOTE"}});
    const auto groups = by_generation(workers);
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
      const std::string note = group->first == newest ? "the newest" : group->first == 0 ? "import from Redis" : "";
      table.row({generation_text(group->first), std::to_string(group->second.size()), note});
    }
    table.write_to(out);
    const auto elsewhere = std::count_if(workers.begin(), workers.end(), [](const Worker& w) { return w.elsewhere; });
    std::string text =
        fmt::format("{} worker{}, as they say themselves", workers.size(), workers.size() == 1 ? "" : "s");
    if (elsewhere != 0) {
      text += fmt::format("; {} in another pid namespace, where it cannot be seen whether they still run", elsewhere);
    }
    if (const auto oldest = oldest_of(workers)) {
      text += fmt::format(". The oldest snapshot is that of pid {}{}: generation {}, for {}", oldest->presence.pid,
                          oldest->elsewhere ? " of another namespace" : "", oldest->presence.generation,
                          human_duration(boot_now().since(oldest->presence.since)));
    }
    out.line("");
    out.paragraph("", text, 0);
  }
};

}  // namespace

std::unique_ptr<Command> make_workers() {
  return std::make_unique<WorkersCommand>();
}

}  // namespace bifrost::cachectl
