// get PATH - the source on stdout, byte for byte; with -o json beside what identifies it.
#include <nlohmann/json.hpp>

#include "tools/cachectl/module_command.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class GetCommand final : public ModuleCommand {
 public:
  GetCommand() : ModuleCommand(With::kSource) {}

 protected:
  ExitCode answer(Context& context, const ModuleAnswer& module) override {
    if (module.status == Lookup::kHit) {
      if (context.format == OutputFormat::kJson) {
        const ModuleEntry& entry = module.entry;
        context.out.json({{"schema", 1},
                          {"path", entry.path},
                          {"generation", entry.created},
                          {"hash", entry.hash},
                          {"bytes", entry.bytes},
                          {"source", module.source}});
      } else {
        context.out.write(module.source);
      }
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
