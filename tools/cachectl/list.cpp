// list [PREFIX] - the modules in the mirror, by path.
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

// What else is worth a word in the wide table.
std::string note_of(const ModuleEntry& entry) {
  if (!entry.mirrored) return printable(entry.reason);
  return entry.retained ? "retained" : "-";
}

void write_table(Output& out, const ModuleList& list, bool wide) {
  using Align = Table::Align;
  std::vector<Table::Column> columns = {{"KIND"}, {"BYTES", Align::kRight}, {"GENERATION", Align::kRight}};
  if (wide) columns.insert(columns.end(), {{"HASH"}, {"CODE"}, {"NOTE"}});
  columns.push_back({"PATH"});
  Table table(columns);
  for (const ModuleEntry& entry : list.entries) {
    std::vector<std::string> cells = {std::string(entry.kind()), entry.mirrored ? std::to_string(entry.bytes) : "-",
                                      std::to_string(entry.created)};
    constexpr std::size_t kShownHashBytes = 12;
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
  ExitCode answer(Context& context, const Segment& segment) override {
    const auto list = list_modules(segment, prefix());
    if (!list) return fail(list.error());
    if (context.format == OutputFormat::kJson) {
      write_json(context.out, *list);
    } else {
      write_table(context.out, *list, context.format == OutputFormat::kWide);
    }
    if (list->damaged == 0) return ExitCode::kSuccess;
    say(fmt::format("{} slots are damaged: run bifrost-cachectl verify, then restart bifrost-agent", list->damaged));
    return ExitCode::kDifferences;
  }
};

}  // namespace

std::unique_ptr<Command> make_list() {
  return std::make_unique<ListCommand>();
}

}  // namespace bifrost::cachectl
