// help [VERB] - the same text as --help; with --man the manual page; as JSON the whole command line as data.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "common/cli/man_page.hpp"
#include "common/cli/suggestion.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

nlohmann::ordered_json as_json(const cli::CommandEntry& command) {
  nlohmann::ordered_json options = nlohmann::ordered_json::array();
  for (const cli::OptionEntry& o : command.options) {
    options.push_back({{"names", o.names}, {"value", o.value}, {"help", o.help}, {"positional", o.positional}});
  }
  nlohmann::ordered_json commands = nlohmann::ordered_json::array();
  for (const cli::CommandEntry& c : command.commands) commands.push_back(as_json(c));
  return {{"name", command.name}, {"summary", command.summary}, {"options", options}, {"commands", commands}};
}

std::string manual(const cli::CommandEntry& program) {
  std::string codes;
  for (const ExitCodeInfo& info : exit_codes()) {
    codes += fmt::format("\t{}\n{}\n", static_cast<int>(info.code), info.meaning);
  }
  std::string variables = "A flag wins over a variable, a variable over the config file.\n";
  for (const Setting id : {Setting::kSegmentDir, Setting::kRedisUrl, Setting::kRedisUrlFile, Setting::kAgentUid,
                           Setting::kMaxModuleBytes}) {
    variables += fmt::format("\t{}\n{}\n", setting_info(id).variable, setting_info(id).help);
  }
  variables += "\tNO_COLOR\nnot empty: no colours\n";
  return cli::man_page(program, {"1",
                                 BIFROST_VERSION,
                                 {{"ENVIRONMENT", variables},
                                  {"EXIT STATUS", codes},
                                  {"SEE ALSO", "bifrost-agent(8); /usr/share/doc/bifrost-cache-doc/operations.md"}}});
}

class HelpCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("VERB", verb_, "show the options of this verb")->type_name("");
    app.add_flag("--man", manual_, "the manual page, for man -l -");
  }

  ExitCode run(Context& context) override {
    const auto known = verbs();
    const bool unknown = std::none_of(known.begin(), known.end(), [&](const Verb& v) { return v.name == verb_; });
    if (!verb_.empty() && unknown) {
      std::vector<std::string> names;
      for (const Verb& v : known) names.emplace_back(v.name);
      const std::string meant = cli::meant_by(verb_, names);
      say(fmt::format("there is no verb `{}`; {}", verb_,
                      meant.empty() ? "bifrost-cachectl help lists them" : "did you mean " + meant + "?"));
      return ExitCode::kUsage;
    }
    if (manual_) {
      context.out.write(manual(context.command_line));
      return ExitCode::kSuccess;
    }
    if (context.format == OutputFormat::kJson) {
      nlohmann::ordered_json document = {{"schema", 1}};
      document.update(as_json(context.command_line));
      context.out.json(document);
      return ExitCode::kSuccess;
    }
    if (verb_.empty()) {
      context.out.write(context.program_help);
      return ExitCode::kSuccess;
    }
    context.out.write(context.program.get_subcommand(verb_)->help(context.program.get_name()));
    return ExitCode::kSuccess;
  }

 private:
  std::string verb_;
  bool manual_ = false;
};

}  // namespace

std::unique_ptr<Command> make_help() {
  return std::make_unique<HelpCommand>();
}

}  // namespace bifrost::cachectl
