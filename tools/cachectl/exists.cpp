// exists PATH - the answer is the exit code; a module that only Redis holds exists, too.
#include "tools/cachectl/module_command.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class ExistsCommand final : public ModuleCommand {
 public:
  ExistsCommand() : ModuleCommand(Need::kEntry) {}

 protected:
  ExitCode answer(Context&, const ModuleAnswer&) override { return ExitCode::kSuccess; }
  void say_missing(ModulePathView, const ModuleAnswer&) const override {}
};

}  // namespace

std::unique_ptr<Command> make_exists() {
  return std::make_unique<ExistsCommand>();
}

}  // namespace bifrost::cachectl
