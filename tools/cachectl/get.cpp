// get PATH - the source on stdout, byte for byte, whatever the output format.
#include "tools/cachectl/module_command.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class GetCommand final : public ModuleCommand {
 public:
  GetCommand() : ModuleCommand(Need::kSource) {}

 protected:
  ExitCode answer(Context& context, const ModuleAnswer& module) override {
    if (module.status == Lookup::kHit) {
      context.out.write(module.source);
      return ExitCode::kSuccess;
    }
    say(fmt::format("{} is in Redis but not mirrored: {}", module.entry.path, module.entry.reason));
    return ExitCode::kError;
  }
};

}  // namespace

std::unique_ptr<Command> make_get() {
  return std::make_unique<GetCommand>();
}

}  // namespace bifrost::cachectl
