// bifrost-cachectl - inspects a node's mirror and operates it.
//
// One verb per file; this one turns the command line into settings and a verb, and a verb's answer into an exit status.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tools/cachectl/command.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

OutputFormat format_named(const std::string& name) {
  if (name == "json") return OutputFormat::kJson;
  return name == "wide" ? OutputFormat::kWide : OutputFormat::kTable;
}

// Otherwise the segment or a socket could be opened as descriptor 1 and take the output's place.
bool standard_streams_are_open() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    if (::open("/dev/null", O_RDWR) != fd) return false;
  }
  return true;
}

class Program {
 public:
  Program() : app_("Inspects and operates the module cache of this node.", "bifrost-cachectl") {
    app_.require_subcommand(0, 1);
    app_.fallthrough();
    app_.set_version_flag("--version", std::string("bifrost-cachectl ") + BIFROST_VERSION);
    app_.add_option("-o,--output", format_, "table, wide or json")
        ->check(CLI::IsMember({"table", "wide", "json"}).description(""))
        ->type_name("FORMAT");
    app_.add_option("--config", config_file_, "file of `key = value` lines; flags and variables win over it")
        ->type_name("FILE");
    add_setting(Setting::kSegmentDir, "DIR");
    add_setting(Setting::kRedisUrl, "URL");
    add_setting(Setting::kAgentUid, "UID");
    add_setting(Setting::kMaxModuleBytes, "SIZE");
    for (const Verb& verb : verbs()) {
      CLI::App* sub = app_.add_subcommand(std::string(verb.name), std::string(verb.summary));
      auto command = verb.make();
      command->declare(*sub);
      commands_.emplace(sub, std::move(command));
    }
    app_.footer(  // last: verbs would inherit it
        "Exit status: 0 success, 1 error, 2 usage, 3 no segment or no agent, 4 no such module,\n"
        "5 not healthy or wait ran out of time, 6 differences or corruption, 7 not permitted or another layout.");
    help_ = app_.help();  // before parsing: afterwards it is the help of the verb that was parsed
  }

  ExitCode run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& answer) {  // --help, --version
      return app_.exit(answer) == 0 ? ExitCode::kSuccess : ExitCode::kError;
    } catch (const CLI::ParseError& error) {
      say(std::string(error.what()) + "; see bifrost-cachectl help");
      return ExitCode::kUsage;
    }
    const auto settings = Settings::resolve(flags_, config_file_);
    if (!settings) {
      say(settings.error().message);
      return settings.error().code == ErrorCode::kInvalidArgument ? ExitCode::kUsage : ExitCode::kError;
    }
    Output out(STDOUT_FILENO);
    Context context{*settings, format_named(format_), out, app_, help_};
    const ExitCode code = chosen().run(context);
    const Status written = out.finish();
    return written ? code : fail(written.error());
  }

 private:
  void add_setting(Setting id, const std::string& type) {
    const SettingInfo& info = setting_info(id);
    std::string flag = "--" + std::string(info.key);
    for (char& c : flag) {
      if (c == '_') c = '-';
    }
    app_.add_option_function<std::string>(
            flag, [this, id](const std::string& value) { flags_[id] = value; },
            std::string(info.help) + " [" + std::string(info.variable) + "]")
        ->type_name(type);
  }

  Command& chosen() {
    const auto parsed = app_.get_subcommands();
    CLI::App* verb = parsed.empty() ? app_.get_subcommand(std::string(verbs().front().name)) : parsed.front();
    return *commands_.at(verb);
  }

  CLI::App app_;
  std::string format_ = "table";
  std::string help_;
  std::optional<std::string> config_file_;
  Settings::Flags flags_;
  std::map<CLI::App*, std::unique_ptr<Command>> commands_;
};

}  // namespace
}  // namespace bifrost::cachectl

int main(int argc, char** argv) {
  using namespace bifrost::cachectl;
  if (!standard_streams_are_open()) return static_cast<int>(ExitCode::kError);
  // A closed pipe or connection is an error code of the write that met it.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(Program().run(argc, argv));
  } catch (const std::exception& e) {
    say(std::string("unexpected: ") + e.what());
    return static_cast<int>(ExitCode::kError);
  }
}
