#include "tools/cachectl/module_command.hpp"

#include <CLI/CLI.hpp>

#include "tools/cachectl/segment_access.hpp"

namespace bifrost::cachectl {

void ModuleCommand::declare(CLI::App& app) {
  app.add_option("PATH", spelled_, "storage path, as in shared/halopsa.py")->required()->type_name("");
  app.add_option("--generation", generation_, "as it was at that generation, if that is still kept")
      ->check(kGenerationCheck)
      ->type_name("N");
}

ExitCode ModuleCommand::run(Context& context) {
  const auto segment = attach_for_reading(context);
  if (!segment) return fail(segment.error());
  const auto path = ModulePath::parse(spelled_);
  if (!path) {
    say_no_module_path(spelled_, path.error());
    return ExitCode::kNoSuchModule;
  }
  const auto module =
      find_module(**segment, *path, with_, generation_ ? std::optional(Generation{*generation_}) : std::nullopt);
  if (!module) {
    static_cast<void>(fail(module.error()));
    say_unknown(context, *path);
    return ExitCode::kError;
  }
  switch (module->status) {
    case Lookup::kHit:
    case Lookup::kNotMirrored: return answer(context, *module);
    case Lookup::kDamaged: say_damaged(*path); return ExitCode::kDifferences;
    default: say_missing(context, *path, *module); return module->complete ? ExitCode::kNoSuchModule : ExitCode::kError;
  }
}

void ModuleCommand::say_missing(Context&, ModulePathView path, const ModuleAnswer& module) const {
  if (!module.complete && generation_) {
    return say(
        fmt::format("{} is not there at generation {}, of which it is not known any more whether it was complete",
                    path.text(), module.generation.value));
  }
  if (module.complete) return say(fmt::format("no module {} at generation {}", path.text(), module.generation.value));
  say(fmt::format(
      "{} is not mirrored, and the mirror is not complete at generation {}: only Redis knows whether there is such a "
      "module; workers ask it",
      path.text(), module.generation.value));
}

}  // namespace bifrost::cachectl
