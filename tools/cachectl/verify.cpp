// verify - structure and checksums of the whole segment; workers and agent are not disturbed.
#include <nlohmann/json.hpp>

#include "tools/cachectl/progress_bar.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/segment_check.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

void write_json(Output& out, const CheckReport& report) {
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  for (const Finding& f : report.findings) findings.push_back({{"key", f.key}, {"what", f.what}});
  out.json({{"schema", 1},
            {"sound", report.contradictions == 0},
            {"generation", report.generation.value},
            {"records", report.records},
            {"modules", report.modules},
            {"names", report.names},
            {"complete", report.complete},
            {"variants", report.variants},
            {"bytes", report.bytes},
            {"contradictions", report.contradictions},
            {"findings", findings}});
}

void write_text(Output& out, const CheckReport& report) {
  for (const Finding& f : report.findings) out.print("{}: {}\n", printable(f.key), f.what);
  out.print("{}: generation {}, {} modules, {} import names, {} records, {} compiled, {} checked, {} contradictions\n",
            report.contradictions == 0 ? "sound" : "DAMAGED", report.generation.value, report.modules, report.names,
            report.records, report.variants, human_bytes(report.bytes), report.contradictions);
  if (!report.complete) out.print("not complete: it may lack names, which workers ask Redis for\n");
}

class VerifyCommand final : public Command {
 public:
  ExitCode run(Context& context) override {
    const auto segment = attach_segment(context);
    if (!segment) return fail(segment.error());
    CheckReport report;
    const auto checked = read_consistently(**segment, [&](const Segment& now, const Snapshot& snapshot) {
      SegmentCheck check(now, snapshot);
      ProgressBar bar("verify", snapshot.slot_count());
      const Lookup status = check.run([&bar](SlotNumber slot) { bar.show(slot.value); });
      report = check.report();
      return status;
    });
    if (!checked) return fail(checked.error());
    if (context.format == OutputFormat::kJson) {
      write_json(context.out, report);
    } else {
      write_text(context.out, report);
    }
    if (report.contradictions == 0) return ExitCode::kSuccess;
    say("the segment is damaged: restart bifrost-agent, which builds a new one");
    return ExitCode::kDifferences;
  }
};

}  // namespace

std::unique_ptr<Command> make_verify() {
  return std::make_unique<VerifyCommand>();
}

}  // namespace bifrost::cachectl
