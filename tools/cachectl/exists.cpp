// exists PATH - the answer is the exit code; a module that only Redis holds exists, too.
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
  void say_missing(Context& context, ModulePathView path, const ModuleAnswer&) const override {
    write(context, path.text(), false, false);
  }

 private:
  static void write(Context& context, std::string_view path, bool exists, bool mirrored) {
    if (context.format != OutputFormat::kJson) return;
    context.out.json({{"schema", 1}, {"path", path}, {"exists", exists}, {"mirrored", mirrored}});
  }
};

}  // namespace

std::unique_ptr<Command> make_exists() {
  return std::make_unique<ExistsCommand>();
}

}  // namespace bifrost::cachectl
