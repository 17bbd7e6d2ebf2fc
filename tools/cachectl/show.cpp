// show PATH - what is known about one module.
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tools/cachectl/module_command.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

void write_fields(Output& out, const ModuleEntry& entry, std::optional<std::uint64_t> visible_unix_ms) {
  constexpr std::size_t kIndent = 12;
  const auto field = [&](std::string_view name, std::string_view value) { out.paragraph(name, value, kIndent); };
  field("path", printable(entry.path));
  field("name", printable(import_name(entry.path)));
  field("kind", entry.kind());
  if (!entry.mirrored) field("reason", printable(entry.reason));
  if (entry.mirrored)
    field("size", entry.bytes < 1024 ? human_bytes(entry.bytes)
                                     : fmt::format("{} ({} B)", human_bytes(entry.bytes), entry.bytes));
  field("hash", entry.hash.empty() ? "none" : printable(entry.hash));
  field("generation", fmt::format("{}, visible since {}", entry.created,
                                  visible_unix_ms ? utc_time(*visible_unix_ms) : "before the history"));
  if (!entry.code.empty()) field("code", printable(fmt::format("{}", fmt::join(entry.code, ", "))));
  for (const CompileFailure& f : entry.failures) {
    field("no code", printable(fmt::format("for {}: {}, {}", f.tag, entry.path, f.where_and_why())));
  }
  if (entry.retained) field("retained", "yes: gone from Redis without a delete, kept here");
}

class ShowCommand final : public ModuleCommand {
 public:
  ShowCommand() : ModuleCommand(With::kTime) {}

 protected:
  ExitCode answer(Context& context, const ModuleAnswer& module) override {
    // What the agent says is about the newest version.
    std::vector<ModuleEntry> entries = {module.entry};
    if (is_newest()) add_compile_failures(context.segment_dir(), entries);
    if (context.format == OutputFormat::kJson) {
      nlohmann::ordered_json shown = {{"schema", 1}};
      shown.update(entries.front().json());
      shown["visible_since"] =
          module.visible_unix_ms ? nlohmann::ordered_json(utc_time(*module.visible_unix_ms)) : nlohmann::ordered_json();
      context.out.json(shown);
    } else {
      write_fields(context.out, entries.front(), module.visible_unix_ms);
    }
    return ExitCode::kSuccess;
  }
};

}  // namespace

std::unique_ptr<Command> make_show() {
  return std::make_unique<ShowCommand>();
}

}  // namespace bifrost::cachectl
