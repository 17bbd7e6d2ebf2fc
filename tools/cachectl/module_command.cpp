#include "tools/cachectl/module_command.hpp"

#include "tools/cachectl/segment_access.hpp"

namespace bifrost::cachectl {

void ModuleCommand::declare(CLI::App& app) {
  app.add_option("PATH", path_, "storage path, as in shared/halopsa.py")->required()->type_name("");
}

ExitCode ModuleCommand::run(Context& context) {
  const auto segment = attach_for_reading(context);
  if (!segment) return fail(segment.error());
  const auto module = find_module(**segment, path_, need_ == Need::kSource);
  if (!module) return fail(module.error());
  switch (module->status) {
    case Lookup::kHit:
    case Lookup::kNotMirrored: return answer(context, *module);
    case Lookup::kDamaged: say_damaged(path_); return ExitCode::kDifferences;
    default: say_missing(*module); return ExitCode::kNoSuchModule;
  }
}

void ModuleCommand::say_missing(const ModuleAnswer& module) const {
  say_no_such_module(path_, module.generation);
}

}  // namespace bifrost::cachectl
