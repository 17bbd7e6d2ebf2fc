// bifrost-agent: mirrors the modules of a Redis into this node's shared memory. docs: README.md, docs/operations.md.
//
// Exit status: 0 after SIGTERM or SIGINT, 1 when it cannot start or go on, 2 for wrong usage.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent.hpp"
#include "agent/agent_config.hpp"
#include "agent/loop/log.hpp"
#include "common/base/settings.hpp"
#include "common/base/standard_streams.hpp"
#include "common/cli/help_text.hpp"
#include "common/cli/man_page.hpp"
#include "common/cli/screen_text.hpp"

namespace {

constexpr int kExitError = 1;
constexpr int kExitUsage = 2;
constexpr int kKeptHeapBytes = 8 << 20;

// The settings that make sense for the agent; the others belong to the workers.
constexpr bifrost::Setting kAgentSettings[] = {
    bifrost::Setting::kRedisUrl,       bifrost::Setting::kRedisUrlFile, bifrost::Setting::kSegmentDir,
    bifrost::Setting::kWorkspace,      bifrost::Setting::kSize,         bifrost::Setting::kMaxSize,
    bifrost::Setting::kHistory,        bifrost::Setting::kHistorySize,  bifrost::Setting::kSignal,
    bifrost::Setting::kOnExpiry,       bifrost::Setting::kLease,        bifrost::Setting::kReconcile,
    bifrost::Setting::kMaxModuleBytes, bifrost::Setting::kMaxPending,   bifrost::Setting::kPython,
    bifrost::Setting::kOptimize,       bifrost::Setting::kLogLevel,     bifrost::Setting::kLogFormat,
    bifrost::Setting::kMetrics,        bifrost::Setting::kTelemetry,
};

int fail(int status, const std::string& why) {
  std::fprintf(stderr, "bifrost-agent: %s\n", why.c_str());
  return status;
}

std::string manual(const CLI::App& app) {
  std::string variables;
  for (const bifrost::Setting id : kAgentSettings) {
    const bifrost::SettingInfo& info = bifrost::setting_info(id);
    variables += "\t" + std::string(info.variable) + "\nlike " + bifrost::flag_of(info) + "\n";
  }
  return bifrost::cli::man_page(
      bifrost::cli::command_tree(app),
      {"8",
       BIFROST_VERSION,
       {{"ENVIRONMENT", "A flag wins over a variable, a variable over the config file.\n" + variables},
        {"FILES", "\t/etc/bifrost/bifrost.conf\nlines of `key = value`; a key is a flag with _ for -\n"},
        {"SIGNALS",
         "\tSIGHUP\nreads log_level of the config file again\n\tSIGTERM, SIGINT\nrevoke the lease and end with status "
         "0; the "
         "segment stays, and workers go on with it and with Redis\n"},
        {"EXIT STATUS",
         "\t0\nafter SIGTERM or SIGINT\n\t1\nit cannot start or go on\n\t2\nwrong usage: flag, value, config file\n"},
        {"SEE ALSO", "bifrost-cachectl(1); /usr/share/doc/bifrost-cache-doc/operations.md"}}});
}

// A thread of libuv's still asks a name server. It cannot be called off, and writes to its loop when it is done.
bool still_resolving = false;

struct CloseLoop {
  void operator()(uv_loop_t* loop) const {
    // Closes the handles that are left, so that their memory goes before the loop does.
    uv_run(loop, UV_RUN_NOWAIT);
    uv_run(loop, UV_RUN_NOWAIT);
    if (uv_loop_close(loop) == 0) {
      delete loop;
    } else {
      still_resolving = true;  // and so it is left to that thread
    }
  }
};

// One life, with generations above `reached`, which it raises. Nothing: it wants another one.
std::optional<int> live(const bifrost::agent::AgentConfig& config, bifrost::Generation& reached) {
  auto memory = std::make_unique<uv_loop_t>();
  if (const int err = uv_loop_init(memory.get()); err != 0) {
    return fail(kExitError,
                std::string("no event loop: ") + uv_strerror(err) + "; raise the limits of memory and open files");
  }
  const std::unique_ptr<uv_loop_t, CloseLoop> loop(memory.release());  // closed after the agent has gone
  const auto agent = bifrost::agent::Agent::start(loop.get(), config, BIFROST_VERSION, reached);
  if (!agent) return fail(kExitError, agent.error().message);
  if (const bifrost::Status ended = (*agent)->run(); !ended) return fail(kExitError, ended.error().message);
  if (!(*agent)->starts_again()) return 0;
  reached = (*agent)->generation();
  return std::nullopt;
}

// An agent cannot go on without memory, and nothing can be thrown through libuv. Workers go on with the segment until
// the lease ends, and then with Redis.
[[noreturn]] void out_of_memory() {
  constexpr std::string_view kSentence =
      "bifrost-agent: out of memory: raise the limit (of the cgroup, ulimit -v), or mirror less: --max-module-bytes\n";
  static_cast<void>(!::write(STDERR_FILENO, kSentence.data(), kSentence.size()));
  ::_exit(kExitError);
}

int run_agent(const bifrost::agent::AgentConfig& config) {
  std::set_new_handler(&out_of_memory);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file may not grow any more: that is an error like a full file system
  // Replies of a megabyte come and go: not to the kernel and back each time.
  ::mallopt(M_TRIM_THRESHOLD, kKeptHeapBytes);
  bifrost::Generation reached;
  while (true) {  // a life that wants another one has lasted for a tick at least
    if (const auto status = live(config, reached)) return *status;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!bifrost::standard_streams_are_open()) return kExitError;
  CLI::App app{"Mirrors the Python modules of a Redis into this node's shared memory.", "bifrost-agent"};
  app.formatter(std::make_shared<bifrost::cli::HelpFormatter>(bifrost::cli::prose_width(STDOUT_FILENO)));
  app.set_help_flag("-h,--help", "this text, and exit");
  app.set_version_flag("--version", std::string("bifrost-agent ") + BIFROST_VERSION,
                       "the version of this program, and exit");
  std::map<bifrost::Setting, std::string> given;
  for (const bifrost::Setting id : kAgentSettings) {
    const bifrost::SettingInfo& info = bifrost::setting_info(id);
    std::string help(info.help);
    if (!info.fallback.empty()) help += " [" + std::string(info.fallback) + "]";
    const auto set = [&given, id](const std::vector<std::string>& values) {
      for (const std::string& v : values) {
        // The one setting that can be given several times.
        if (id == bifrost::Setting::kPython && given.count(id) != 0) {
          given[id] += ":" + v;
        } else {
          given[id] = v;
        }
      }
    };
    app.add_option_function<std::vector<std::string>>(bifrost::flag_of(info), set, help)
        ->type_name("")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  std::string config_file;
  bool print_config = false;
  bool print_man_page = false;
  app.add_option("--config", config_file, "file of `key = value` lines [/etc/bifrost/bifrost.conf, if readable]")
      ->type_name("FILE");
  app.add_flag("--print-config", print_config,
               "print every setting with its origin, and exit: with 2 if one is refused");
  app.add_flag("--man", print_man_page, "print the manual page of this program")->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kExitUsage;
  }
  if (print_man_page) {
    std::fputs(manual(app).c_str(), stdout);
    return 0;
  }
  const auto resolve = [given, config_file] {
    return bifrost::Settings::resolve(
        given, config_file.empty() ? bifrost::system_config_file() : std::optional<std::string>(config_file));
  };
  const auto settings = resolve();
  if (!settings) return fail(kExitUsage, settings.error().message);
  if (print_config) std::fputs(bifrost::agent::describe(*settings).c_str(), stdout);
  auto config = bifrost::agent::parse_agent_config(*settings);
  if (!config) return fail(kExitUsage, config.error().message);
  if (const bifrost::Status s = bifrost::agent::log::set_up(config->log_level, config->log_format); !s) {
    return fail(kExitUsage, s.error().message);
  }
  if (print_config) return 0;
  config->reread_log_level = [resolve]() -> bifrost::Result<std::string> {
    const auto again = resolve();
    if (!again) return again.error();
    return again->get(bifrost::Setting::kLogLevel);
  };
  const int status = run_agent(*config);
  if (still_resolving) {
    std::fflush(nullptr);
    ::_exit(status);  // exit() would wait for that thread
  }
  return status;
}
