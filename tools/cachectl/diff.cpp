// diff - the mirror against Redis: missing, extra, different. Runs beside writers without mistaking a change for a
// difference: what differs is looked at again, after a fence if the agent answers.
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/cachectl/mirror_diff.hpp"
#include "tools/cachectl/prefix_command.hpp"
#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

// Modules of which Redis has none are kept on purpose, but nobody would call that the same.
bool only_the_mirror_has_any(const DiffReport& report) {
  return report.compared == 0 && report.not_mirrored == 0 && report.retained != 0;
}

bool is_identical(const DiffReport& report) {
  return report.differences.empty() && !only_the_mirror_has_any(report);
}

void write_json(Output& out, const DiffReport& report, const std::string& redis_url) {
  nlohmann::ordered_json differences = nlohmann::ordered_json::array();
  for (const Difference& d : report.differences) {
    differences.push_back({{"path", d.path.text()}, {"kind", name_of(d.kind)}, {"what", d.what}});
  }
  out.json({{"schema", 1},
            {"redis_url", redis_url},
            {"identical", is_identical(report)},
            {"compared", report.compared},
            {"retained", report.retained},
            {"not_mirrored", report.not_mirrored},
            {"refused", report.refused},
            {"differences", differences}});
}

void write_table(Output& out, const DiffReport& report, const std::string& redis_url) {
  if (report.refused != 0) {
    say(fmt::format(
        "{} keys in Redis are not modules, because no module can have their paths; the agent's log names them",
        report.refused));
  }
  if (report.differences.empty() && only_the_mirror_has_any(report)) {
    out.paragraph(
        "",
        fmt::format("nothing to compare: Redis at {} has none of these modules; the mirror keeps {}, retained "
                    "because nobody deleted them",
                    printable(redis_url), report.retained),
        0);
    say("bifrost-cachectl push DIR writes them again; bifrost-cachectl sync --prune drops them here; --redis-url names "
        "another Redis");
    return;
  }
  if (report.differences.empty() && report.compared + report.not_mirrored + report.retained == 0) {
    out.print("both are empty: no modules here and none in Redis at {}\n", printable(redis_url));
    return;
  }
  if (report.differences.empty()) {
    out.print("identical: {} modules compared, {} retained, {} left to Redis; Redis: {}\n", report.compared,
              report.retained, report.not_mirrored, printable(redis_url));
    return;
  }
  Table table({{"KIND"},
               {"WHAT", Table::Align::kLeft, Table::Cut::kEnd, 20},
               {"PATH", Table::Align::kLeft, Table::Cut::kStart, 20}});
  for (const Difference& d : report.differences) {
    table.row({std::string(name_of(d.kind)), d.what, printable(d.path.text())});
  }
  table.write_to(out);
  say("compared with " + redis_url);
}

class DiffCommand final : public PrefixCommand {
  ExitCode answer(Context& context, const Segment& segment) override {
    auto redis = connect_redis(context);
    if (!redis) return fail_without_redis(redis.error());
    MirrorDiff diff(context, *redis, prefix());
    if (const Status s = diff.run(); !s) return fail(s.error());
    if (context.format == OutputFormat::kJson) {
      write_json(context.out, diff.report(), redis_name(context.settings));
    } else {
      write_table(context.out, diff.report(), redis_name(context.settings));
    }
    const SegmentInfo info = segment.info();
    if (!diff.report().differences.empty() && info.deploying_since_unix_ms != 0 && info.ready(boot_now())) {
      say("a deploy goes on: what it writes differs until it ends; then run diff again");
    }
    return is_identical(diff.report()) ? ExitCode::kSuccess : ExitCode::kDifferences;
  }
};

}  // namespace

std::unique_ptr<Command> make_diff() {
  return std::make_unique<DiffCommand>();
}

}  // namespace bifrost::cachectl
