// show PATH - what is known about one module.
#include <nlohmann/json.hpp>
#include <string>

#include "tools/cachectl/module_command.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

void write_fields(Output& out, const ModuleAnswer& module) {
  const ModuleEntry& entry = module.entry;
  const auto field = [&](std::string_view name, std::string_view value) { out.print("{:<11} {}\n", name, value); };
  field("path", printable(entry.path));
  field("name", printable(import_name(entry.path)));
  field("kind", entry.kind());
  if (!entry.mirrored) field("reason", printable(entry.reason));
  if (entry.mirrored) field("bytes", fmt::format("{} ({})", entry.bytes, human_bytes(entry.bytes)));
  field("hash", entry.hash.empty() ? "none" : printable(entry.hash));
  field("generation", fmt::format("{}, visible since {}", entry.created,
                                  module.visible_unix_ms ? utc_time(*module.visible_unix_ms) : "before the history"));
  if (!entry.code.empty()) field("code", printable(fmt::format("{}", fmt::join(entry.code, ", "))));
  if (entry.retained) field("retained", "yes: gone from Redis without a delete, kept here");
}

class ShowCommand final : public ModuleCommand {
 public:
  ShowCommand() : ModuleCommand(Need::kEntry) {}

 protected:
  ExitCode answer(Context& context, const ModuleAnswer& module) override {
    if (context.format == OutputFormat::kJson) {
      nlohmann::ordered_json shown = module.entry.json();
      shown["visible_since"] =
          module.visible_unix_ms ? nlohmann::ordered_json(utc_time(*module.visible_unix_ms)) : nlohmann::ordered_json();
      context.out.json(shown);
    } else {
      write_fields(context.out, module);
    }
    return ExitCode::kSuccess;
  }
};

}  // namespace

std::unique_ptr<Command> make_show() {
  return std::make_unique<ShowCommand>();
}

}  // namespace bifrost::cachectl
