// list [PREFIX] [--sort KEY] [--reverse] [--paths] - the modules in the mirror.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/cachectl/module_entry.hpp"
#include "tools/cachectl/prefix_command.hpp"
#include "tools/cachectl/table.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

// One entry per line and no document in memory: a mirror may hold a million modules.
void write_json(Output& out, const ModuleList& list) {
  out.write("[");
  std::string_view separator = "\n  ";
  for (const ModuleEntry& entry : list.entries) {
    out.write(separator);
    out.write(json_line(entry.json()));
    separator = ",\n  ";
  }
  out.write(list.entries.empty() ? "]\n" : "\n]\n");
}

// What else is worth a word in the wide table. `show` has the whole of it.
std::string note_of(const ModuleEntry& entry) {
  if (!entry.mirrored) return printable(entry.reason);
  if (!entry.failures.empty()) return printable(entry.failures.front().where_and_why());
  return entry.retained ? "retained" : "-";
}

std::vector<Table::Column> columns_of(bool wide) {
  using Align = Table::Align;
  using Cut = Table::Cut;
  std::vector<Table::Column> columns = {{"KIND"}, {"SIZE", Align::kRight}, {"GEN", Align::kRight}};
  if (wide) {
    columns.push_back({"HASH"});
    columns.push_back({"CODE", Align::kLeft, Cut::kEnd, 8});
    columns.push_back({"NOTE", Align::kLeft, Cut::kEnd, 10});
  }
  columns.push_back({"PATH", Align::kLeft, Cut::kStart, 16});
  return columns;
}

void write_table(Output& out, const ModuleList& list, bool wide) {
  Table table(columns_of(wide));
  for (const ModuleEntry& entry : list.entries) {
    std::vector<std::string> cells = {std::string(entry.kind()), entry.mirrored ? human_bytes(entry.bytes) : "-",
                                      std::to_string(entry.created)};
    constexpr std::size_t kShownHashBytes = 8;
    if (wide) {
      cells.push_back(entry.hash.empty() ? "-" : printable(entry.hash.substr(0, kShownHashBytes)));
      cells.push_back(entry.code.empty() ? "-" : printable(fmt::format("{}", fmt::join(entry.code, ","))));
      cells.push_back(note_of(entry));
    }
    cells.push_back(printable(entry.path));
    table.row(std::move(cells));
  }
  table.write_to(out);
}

class ListCommand final : public PrefixCommand {
  void declare_more(CLI::App& app) override {
    app.add_option("--sort", sort_, "order: path, size (the largest first) or generation (the newest first)")
        ->check(CLI::IsMember({"path", "size", "generation"}).description(""))
        ->capture_default_str()
        ->type_name("path|size|generation");
    app.add_flag("--reverse", reverse_, "the other way round");
    app.add_flag("--paths", only_paths_,
                 "nothing but the paths, one per line, escaped as in the table; -o json has them as they are");
  }

  ExitCode answer(Context& context, const Segment& segment) override {
    auto list = list_modules(segment, prefix());
    if (!list) return fail(list.error());
    if (context.format != OutputFormat::kTable) add_compile_failures(context.segment_dir(), list->entries);
    sort(list->entries);
    if (context.format == OutputFormat::kJson) {
      write_json(context.out, *list);
    } else if (only_paths_) {
      for (const ModuleEntry& entry : list->entries) context.out.write(printable(entry.path) + "\n");
    } else if (!list->entries.empty()) {
      write_table(context.out, *list, context.format == OutputFormat::kWide);
    }
    if (list->entries.empty() && list->damaged == 0) say_nothing_listed(segment.info());
    if (list->damaged == 0) return ExitCode::kSuccess;
    say(fmt::format("{} slots are damaged: run bifrost-cachectl verify, then restart bifrost-agent", list->damaged));
    return ExitCode::kDifferences;
  }

  // They come by path.
  void sort(std::vector<ModuleEntry>& entries) const {
    if (sort_ == "size") {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const ModuleEntry& a, const ModuleEntry& b) { return a.bytes > b.bytes; });
    } else if (sort_ == "generation") {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const ModuleEntry& a, const ModuleEntry& b) { return a.created > b.created; });
    }
    if (reverse_) std::reverse(entries.begin(), entries.end());
  }

  void say_nothing_listed(const SegmentInfo& info) const {
    if (prefix().empty()) return say("the mirror holds no modules: bifrost-cachectl push DIR writes some into Redis");
    say(fmt::format("no module's path begins with {}; bifrost-cachectl list shows all {}", prefix(),
                    info.modules + info.not_mirrored));
  }

  std::string sort_ = "path";
  bool reverse_ = false;
  bool only_paths_ = false;
};

}  // namespace

std::unique_ptr<Command> make_list() {
  return std::make_unique<ListCommand>();
}

}  // namespace bifrost::cachectl
