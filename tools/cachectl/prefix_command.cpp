#include "tools/cachectl/prefix_command.hpp"

#include <CLI/CLI.hpp>

namespace bifrost::cachectl {

void PrefixCommand::declare(CLI::App& app) {
  app.add_option("PREFIX", prefix_, "only storage paths that begin with this")->check(kPrefixCheck)->type_name("");
  declare_more(app);
}

ExitCode PrefixCommand::run(Context& context) {
  const auto segment = attach_for_reading(context);
  return segment ? answer(context, **segment) : fail(segment.error());
}

}  // namespace bifrost::cachectl
