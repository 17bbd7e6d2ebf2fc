// stats - the agent's counters since it started, named and explained by common/layout/counters.hpp.
#include <nlohmann/json.hpp>
#include <string>

#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class StatsCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    const auto segment = attach_segment(context);
    if (!segment) return fail(segment.error());
    const SegmentInfo info = (*segment)->info();
    if (context.format == OutputFormat::kJson) {
      nlohmann::ordered_json counters = nlohmann::ordered_json::object();
      for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
        counters[std::string(kCounterInfo[i].name)] = info.counters[i];
      }
      context.out.json({{"schema", 1}, {"generation", info.generation.value}, {"counters", counters}});
      return ExitCode::kSuccess;
    }
    Table table({{"COUNTER"}, {"VALUE", Table::Align::kRight}, {"UNIT"}, {"MEANING"}});
    for (std::size_t i = 0; i < kCounterInfo.size(); ++i) {
      const CounterInfo& c = kCounterInfo[i];
      table.row({std::string(c.name), std::to_string(info.counters[i]), std::string(c.unit), std::string(c.help)});
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
