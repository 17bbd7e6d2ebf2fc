// stats - the agent's counters since it started, and what workers say that they counted. Names and meanings:
// common/layout/counters.hpp and common/telemetry/worker_counters.hpp.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/telemetry/telemetry_file.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

// null when workers report nothing: telemetry is off, or the file is not what it should be.
nlohmann::ordered_json workers_json(const std::optional<WorkerTotals>& workers) {
  if (!workers) return nullptr;
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < workers->size(); ++i) object[std::string(kWorkerCounterInfo[i].name)] = (*workers)[i];
  return object;
}

class StatsCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    const auto segment = attach_segment(context);
    if (!segment) return fail(segment.error());
    const SegmentInfo info = (*segment)->info();
    const auto workers = read_telemetry(context.segment_dir());
    if (context.format == OutputFormat::kJson) {
      nlohmann::ordered_json counters = nlohmann::ordered_json::object();
      for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
        counters[std::string(kCounterInfo[i].name)] = info.counters[i];
      }
      context.out.json({{"schema", 1},
                        {"generation", info.generation.value},
                        {"counters", counters},
                        {"workers", workers_json(workers)}});
      return ExitCode::kSuccess;
    }
    Table table({{"COUNTER", Table::Align::kLeft, Table::Cut::kEnd, 24},
                 {"VALUE", Table::Align::kRight},
                 {"UNIT"},
                 {"MEANING", Table::Align::kLeft, Table::Cut::kEnd, 20}});
    for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
      const CounterInfo& c = kCounterInfo[i];
      table.row({std::string(c.name), std::to_string(info.counters[i]), std::string(c.unit), std::string(c.help)});
    }
    for (std::size_t i = 0; workers && i < workers->size(); ++i) {
      const WorkerCounterInfo& c = kWorkerCounterInfo[i];
      table.row({fmt::format("worker_{}_total", c.name), std::to_string((*workers)[i]), "", std::string(c.help)});
    }
    table.write_to(context.out);
    return ExitCode::kSuccess;
  }
};

}  // namespace

std::unique_ptr<Command> make_stats() {
  return std::make_unique<StatsCommand>();
}

}  // namespace bifrost::cachectl
