// exists PATH - the answer is the exit code; a module that only Redis holds exists, too. Without an answer, since the
// mirror is not complete, it is an error.
#include <nlohmann/json.hpp>

#include "tools/cachectl/module_command.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class ExistsCommand final : public ModuleCommand {
 public:
  ExistsCommand() : ModuleCommand(With::kNothing) {}

 protected:
  ExitCode answer(Context& context, const ModuleAnswer& module) override {
    write(context, module.entry.path, true, module.entry.mirrored);
    return ExitCode::kSuccess;
  }
  void say_missing(Context& context, ModulePathView path, const ModuleAnswer& module) const override {
    if (!module.complete) ModuleCommand::say_missing(context, path, module);
    write(context, path.text(), module.complete ? nlohmann::ordered_json(false) : nlohmann::ordered_json(), false);
  }

  void say_unknown(Context& context, ModulePathView path) const override {
    write(context, path.text(), nlohmann::ordered_json(), false);
  }

 private:
  static void write(Context& context, std::string_view path, const nlohmann::ordered_json& exists, bool mirrored) {
    if (context.format != OutputFormat::kJson) return;
    context.out.json({{"schema", 1}, {"path", path}, {"exists", exists}, {"mirrored", mirrored}});
  }
};

}  // namespace

std::unique_ptr<Command> make_exists() {
  return std::make_unique<ExistsCommand>();
}

}  // namespace bifrost::cachectl
