// log [PATH] - what changed, newest first: commits, or the versions of one module.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/base/settings.hpp"
#include "tools/cachectl/commit_log.hpp"
#include "tools/cachectl/module_entry.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kShownPaths = 3;  // of one commit in the table

struct Row {
  Commit commit;
  std::vector<Version> versions;  // those that are still there
};

class LogCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("PATH", path_, "only the versions of this storage path")->type_name("");
    app.add_option("--since", since_, "only what is not older than this, as in 1h or 7d")
        ->check(kDurationCheck)
        ->type_name("DURATION");
    app.add_option("--limit", limit_, "show at most this many")
        ->type_name("N")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
  }

  ExitCode run(Context& context) override {
    if (!since_.empty()) {
      const auto ms = parse_duration_ms(since_);
      if (!ms) return fail(ms.error());
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
      oldest_ms_ = static_cast<std::uint64_t>(now_ms) - std::min(static_cast<std::uint64_t>(now_ms), *ms);
    }
    const auto segment = attach_for_reading(context);
    if (!segment) return fail(segment.error());
    return path_.empty() ? show_commits(context, **segment) : show_versions(context, **segment);
  }

 private:
  ExitCode show_commits(Context& context, const Segment& segment) {
    const Snapshot snapshot = segment.snapshot();
    std::vector<Row> rows;
    walk_commits(snapshot, [&](const Commit& commit) {
      if (rows.size() == limit_) return false;
      if (commit.unix_ms < oldest_ms_) return true;  // a clock may have been set: what is older need not be
      Row row{commit, {}};
      for (const Address at : commit.records) {
        auto version = version_at(snapshot, at);
        if (version && version->generation == commit.generation) row.versions.push_back(std::move(*version));
      }
      rows.push_back(std::move(row));
      return true;
    });
    context.format == OutputFormat::kJson ? write_json(context.out, rows, segment.info())
                                          : write_table(context.out, rows);
    return ExitCode::kSuccess;
  }

  static void write_json(Output& out, const std::vector<Row>& rows, const SegmentInfo& info) {
    ordered_json commits = ordered_json::array();
    for (const Row& row : rows) {
      ordered_json changed = ordered_json::array();
      for (const Version& v : row.versions) changed.push_back({{"path", v.path}, {"what", v.what()}});
      commits.push_back({{"generation", row.commit.generation.value},
                         {"time", utc_time(row.commit.unix_ms)},
                         {"changes", row.commit.changes},
                         {"changed", changed}});
    }
    out.json({{"schema", 1}, {"kept_from", info.oldest_generation.value}, {"commits", commits}});
  }

  static void write_table(Output& out, const std::vector<Row>& rows) {
    Table table({{"GENERATION", Table::Align::kRight},
                 {"TIME"},
                 {"CHANGES", Table::Align::kRight},
                 {"WHAT", Table::Align::kLeft, Table::Cut::kEnd, 20}});
    for (const Row& row : rows) {
      std::string what;
      for (std::size_t i = 0; i < row.versions.size() && i < kShownPaths; ++i) {
        const Version& v = row.versions[i];
        what += (i == 0 ? "" : ", ") + printable(v.path) + (v.what() == "source" ? "" : fmt::format(" ({})", v.what()));
      }
      if (row.commit.changes > kShownPaths) what += fmt::format(" and {} more", row.commit.changes - kShownPaths);
      table.row({std::to_string(row.commit.generation.value), utc_time(row.commit.unix_ms),
                 std::to_string(row.commit.changes), what.empty() ? "-" : what});
    }
    table.write_to(out);
  }

  ExitCode show_versions(Context& context, const Segment& segment) {
    const Snapshot snapshot = segment.snapshot();
    std::vector<Version> versions;
    if (versions_of(snapshot, path_, versions) == Lookup::kMiss) return say_no_version(segment);
    std::vector<std::optional<std::uint64_t>> times(versions.size());
    // Both newest first.
    walk_commits(snapshot, [&, i = std::size_t{0}](const Commit& commit) mutable {
      while (i < versions.size() && versions[i].generation > commit.generation) ++i;
      if (i < versions.size() && versions[i].generation == commit.generation) times[i] = commit.unix_ms;
      return i < versions.size();
    });
    std::size_t count = 0;
    bool skipped = false;  // what is older than that, and of an unknown time, is older, too
    for (std::size_t i = 0; i < versions.size() && count < limit_; ++i) {
      const bool shown = times[i] ? *times[i] >= oldest_ms_ : !skipped;
      skipped |= !shown;
      if (!shown) continue;
      std::swap(versions[count], versions[i]);
      std::swap(times[count++], times[i]);
    }
    versions.resize(count);
    if (context.format == OutputFormat::kJson) {
      ordered_json shown = ordered_json::array();
      for (std::size_t i = 0; i < count; ++i) {
        const Version& v = versions[i];
        shown.push_back({{"generation", v.generation.value},
                         {"time", times[i] ? ordered_json(utc_time(*times[i])) : ordered_json()},
                         {"what", v.what()},
                         {"bytes", v.bytes},
                         {"hash", v.hash}});
      }
      context.out.json({{"schema", 1}, {"path", path_}, {"versions", shown}});
      return ExitCode::kSuccess;
    }
    Table table({{"GENERATION", Table::Align::kRight}, {"TIME"}, {"SIZE", Table::Align::kRight}, {"HASH"}, {"WHAT"}});
    for (std::size_t i = 0; i < count; ++i) {
      const Version& v = versions[i];
      table.row({std::to_string(v.generation.value), times[i] ? utc_time(*times[i]) : "before the history",
                 v.kind == layout::RecordKind::kSource ? human_bytes(v.bytes) : "-",
                 v.hash.empty() ? "-" : printable(v.hash.substr(0, 12)), std::string(v.what())});
    }
    table.write_to(context.out);
    return ExitCode::kSuccess;
  }

  ExitCode say_no_version(const Segment& segment) const {
    const auto path = ModulePath::parse(path_);
    if (!path) {
      say_no_module_path(path_, path.error());
      return ExitCode::kNoSuchModule;
    }
    const auto now = find_module(segment, *path, With::kNothing);
    if (now && now->status == Lookup::kDamaged) {
      say_damaged(*path);
      return ExitCode::kDifferences;
    }
    say(fmt::format("no version of {} is kept", path_));
    return ExitCode::kNoSuchModule;
  }

  std::string path_;
  std::string since_;
  std::size_t limit_ = 100;
  std::uint64_t oldest_ms_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_log() {
  return std::make_unique<LogCommand>();
}

}  // namespace bifrost::cachectl
