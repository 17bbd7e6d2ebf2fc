// show PATH - what is known about one module.
#include <nlohmann/json.hpp>
#include <string>

#include "tools/cachectl/module_entry.hpp"
#include "tools/cachectl/segment_access.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

void write_fields(Output& out, const ModuleEntry& entry) {
  const auto field = [&](std::string_view name, std::string_view value) { out.print("{:<11} {}\n", name, value); };
  field("path", printable(entry.path));
  field("name", printable(import_name(entry.path)));
  field("kind", entry.kind());
  if (!entry.mirrored) field("reason", printable(entry.reason));
  if (entry.mirrored) field("bytes", fmt::format("{} ({})", entry.bytes, human_bytes(entry.bytes)));
  field("hash", entry.hash.empty() ? "none" : printable(entry.hash));
  field("generation", std::to_string(entry.created));
  if (!entry.code.empty()) field("code", printable(fmt::format("{}", fmt::join(entry.code, ", "))));
  if (entry.retained) field("retained", "yes: gone from Redis without a delete, kept here");
}

class ShowCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("PATH", path_, "storage path, as in shared/halopsa.py")->required()->type_name("");
  }

  ExitCode run(Context& context) override {
    const auto segment = attach_for_reading(context.settings);
    if (!segment) return fail(segment.error());
    const auto answer = find_module(**segment, path_, false);
    if (!answer) return fail(answer.error());
    if (answer->status == Lookup::kMiss) {
      say_no_such_module(path_, answer->generation);
      return ExitCode::kNoSuchModule;
    }
    if (answer->status == Lookup::kDamaged) {
      say_damaged(path_);
      return ExitCode::kDifferences;
    }
    if (context.format == OutputFormat::kJson) {
      context.out.json(answer->entry.json());
    } else {
      write_fields(context.out, answer->entry);
    }
    return ExitCode::kSuccess;
  }

 private:
  std::string path_;
};

}  // namespace

std::unique_ptr<Command> make_show() {
  return std::make_unique<ShowCommand>();
}

}  // namespace bifrost::cachectl
