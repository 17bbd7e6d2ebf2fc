// help [VERB] - the same text as --help.
#include <algorithm>
#include <string>

#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

class HelpCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("VERB", verb_, "show the options of this verb")->type_name("");
  }

  ExitCode run(Context& context) override {
    if (verb_.empty()) {
      context.out.write(context.program_help);
      return ExitCode::kSuccess;
    }
    const auto known = verbs();
    if (std::none_of(known.begin(), known.end(), [&](const Verb& v) { return v.name == verb_; })) {
      say(fmt::format("there is no verb `{}`; bifrost-cachectl help lists them", verb_));
      return ExitCode::kUsage;
    }
    context.out.write(context.program.get_subcommand(verb_)->help(context.program.get_name()));
    return ExitCode::kSuccess;
  }

 private:
  std::string verb_;
};

}  // namespace

std::unique_ptr<Command> make_help() {
  return std::make_unique<HelpCommand>();
}

}  // namespace bifrost::cachectl
