// bifrost-cachectl - inspects a node's mirror and operates it.
//
// One verb per file; this one turns the command line into settings and a verb, and a verb's answer into an exit status.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/standard_streams.hpp"
#include "common/cli/help_text.hpp"
#include "common/cli/screen_text.hpp"
#include "common/cli/suggestion.hpp"
#include "tools/cachectl/command.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

OutputFormat format_named(const std::string& name) {
  if (name == "json") return OutputFormat::kJson;
  return name == "wide" ? OutputFormat::kWide : OutputFormat::kTable;
}

Output::Colour colour_named(const std::string& name) {
  if (name == "always") return Output::Colour::kAlways;
  return name == "never" ? Output::Colour::kNever : Output::Colour::kAuto;
}

std::string exit_status_text() {
  std::string text = "Exit status:";
  for (const ExitCodeInfo& info : exit_codes()) {
    text += fmt::format("\n  {}  {}", static_cast<int>(info.code), info.meaning);
  }
  return text;
}

class Program {
 public:
  Program() : app_("Inspects and operates the module cache of this node.", "bifrost-cachectl") {
    app_.formatter(std::make_shared<cli::HelpFormatter>(cli::prose_width(STDOUT_FILENO)));
    app_.set_help_flag("-h,--help", "this text, or that of the verb, and exit");
    app_.require_subcommand(0, 1);
    app_.fallthrough();
    app_.set_version_flag("--version", std::string("bifrost-cachectl ") + BIFROST_VERSION,
                          "the version of this program, and exit");
    add_choice("-o,--output", format_, {"table", "wide", "json"}, "form of the answer");
    add_choice("--color", colour_, {"auto", "always", "never"}, "colours; auto: on a terminal, unless NO_COLOR is set");
    app_.add_flag("--no-headers", no_headers_, "leave out the column titles of tables");
    app_.add_flag("-y,--yes", assume_yes_, "do not ask before something is deleted");
    app_.add_option("--wait", wait_, "wait this long for a segment, or for the agent, to appear")
        ->check(kDurationCheck)
        ->type_name("DURATION");
    app_.add_option("--config", config_file_,
                    "file of `key = value` lines; flags and variables win over it [/etc/bifrost/bifrost.conf]")
        ->type_name("FILE");
    add_setting(Setting::kSegmentDir, "DIR");
    add_setting(Setting::kRedisUrl, "URL");
    add_setting(Setting::kRedisUrlFile, "FILE");
    add_setting(Setting::kAgentUid, "UID");
    add_setting(Setting::kMaxModuleBytes, "SIZE");
    for (const Verb& verb : verbs()) {
      CLI::App* sub = app_.add_subcommand(std::string(verb.name), std::string(verb.summary));
      auto command = verb.make();
      command->declare(*sub);
      commands_.emplace(sub, std::move(command));
    }
    app_.footer(exit_status_text());  // last: verbs would inherit it
    help_ = app_.help();              // before parsing: afterwards it is the help of the verb that was parsed
    command_line_ = cli::command_tree(app_);
  }

  ExitCode run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& answer) {  // --help, --version
      return app_.exit(answer) == 0 ? ExitCode::kSuccess : ExitCode::kError;
    } catch (const CLI::ParseError& error) {
      say(what_is_wrong(error));
      return ExitCode::kUsage;
    }
    const auto settings = Settings::resolve(flags_, config_file_ ? config_file_ : system_config_file());
    if (!settings) {
      say(settings.error().message);
      return settings.error().code == ErrorCode::kInvalidArgument ? ExitCode::kUsage : ExitCode::kError;
    }
    Output out(STDOUT_FILENO, colour_named(colour_), !no_headers_);
    Context context{*settings, format_named(format_), out, app_, help_, command_line_, {}, assume_yes_};
    if (!config_file_) context.withheld_config = withheld_config_file();
    if (!wait_.empty()) context.patience = std::chrono::milliseconds(*parse_duration_ms(wait_));
    const ExitCode code = chosen().run(context);
    const Status written = out.finish();
    return written ? code : fail(written.error());
  }

 private:
  void add_choice(const std::string& names, std::string& value, const std::vector<std::string>& choices,
                  const std::string& help) {
    std::string type;
    for (const std::string& choice : choices) type += (type.empty() ? "" : "|") + choice;
    app_.add_option(names, value, help)
        ->check(CLI::IsMember(choices).description(""))
        ->type_name(type)
        ->capture_default_str();
  }

  void add_setting(Setting id, const std::string& type) {
    const SettingInfo& info = setting_info(id);
    app_.add_option_function<std::string>(
            flag_of(info), [this, id](const std::string& value) { flags_[id] = value; },
            std::string(info.help) + " [" + std::string(info.variable) + "]")
        ->type_name(type);
  }

  // CLI11's sentence, what was meant perhaps, and where to look.
  std::string what_is_wrong(const CLI::ParseError& error) const {
    constexpr std::string_view kSeeHelp = "; see bifrost-cachectl help";
    const std::vector<std::string> words = app_.remaining(true);
    if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError) || words.empty()) {
      return error.what() + std::string(kSeeHelp);
    }
    const std::string& word = words.front();
    const bool is_option = word.starts_with("-");
    if (!is_option && !app_.get_subcommands().empty()) return "`" + word + "` was not expected" + std::string(kSeeHelp);
    const std::string meant = cli::meant_by(word, is_option ? option_names() : verb_names());
    return std::string("there is no ") + (is_option ? "option" : "verb") + " `" + word + "`" +
           (meant.empty() ? std::string(kSeeHelp) : "; did you mean " + meant + "?");
  }

  std::vector<std::string> verb_names() const {
    std::vector<std::string> names;
    for (const Verb& verb : verbs()) names.emplace_back(verb.name);
    return names;
  }

  // Of the program, and of the verb that was given.
  std::vector<std::string> option_names() const {
    std::vector<std::string> names;
    const auto add = [&](const cli::CommandEntry& command) {
      for (const cli::OptionEntry& option : command.options) {
        if (!option.positional) names.insert(names.end(), option.names.begin(), option.names.end());
      }
    };
    add(command_line_);
    const auto parsed = app_.get_subcommands();
    for (const cli::CommandEntry& verb : command_line_.commands) {
      if (!parsed.empty() && verb.name == parsed.front()->get_name()) add(verb);
    }
    return names;
  }

  Command& chosen() {
    const auto parsed = app_.get_subcommands();
    CLI::App* verb = parsed.empty() ? app_.get_subcommand(std::string(verbs().front().name)) : parsed.front();
    return *commands_.at(verb);
  }

  CLI::App app_;
  std::string format_ = "table";
  std::string colour_ = "auto";
  bool no_headers_ = false;
  bool assume_yes_ = false;
  std::string wait_;
  std::string help_;
  cli::CommandEntry command_line_;
  std::optional<std::string> config_file_;
  Settings::Flags flags_;
  std::map<CLI::App*, std::unique_ptr<Command>> commands_;
};

}  // namespace
}  // namespace bifrost::cachectl

int main(int argc, char** argv) {
  using namespace bifrost::cachectl;
  if (!bifrost::standard_streams_are_open()) return static_cast<int>(ExitCode::kError);
  // A closed pipe or connection is an error code of the write that met it.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(Program().run(argc, argv));
  } catch (const std::exception& e) {
    say(std::string("unexpected: ") + e.what());
    return static_cast<int>(ExitCode::kError);
  }
}
