// sync [--prune] - asks the agent to read everything from Redis again.
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "common/base/segment_dir.hpp"
#include "common/control/agent_connection.hpp"
#include "common/control/control_protocol.hpp"
#include "tools/cachectl/agent_access.hpp"
#include "tools/cachectl/agent_words.hpp"
#include "tools/cachectl/confirmation.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

// The agent obeys its own user and root only.
bool runs_as_agent(const std::string& dir) {
  struct stat st {};
  if (::stat(path_in(dir, kControlSocketName).c_str(), &st) != 0) return false;
  return ::geteuid() == 0 || ::geteuid() == st.st_uid;
}

class SyncCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_flag("--prune", prune_, "then drop retained modules, which Redis no longer has");
  }

  ExitCode run(Context& context) override {
    if (prune_ && needs_yes(context)) {
      say("--prune drops modules; without a terminal to ask at it wants --yes");
      return ExitCode::kUsage;
    }
    if (prune_ &&
        !confirmed(context, "drop the modules that Redis does not have, which only this node still serves?")) {
      say("nothing was asked of the agent");
      return ExitCode::kError;
    }
    AgentConnection agent(context.segment_dir());
    await_agent(context, agent);
    const auto answer = agent.ask(prune_ ? control::kSyncPrune : control::kSync, Deadline(kAgentTime));
    if (!answer) {
      const ExitCode code = fail_without_agent(answer.error());
      return answer.error().code == ErrorCode::kRefused && !runs_as_agent(context.segment_dir())
                 ? ExitCode::kNotAccepted
                 : code;
    }
    if (context.format == OutputFormat::kJson) {
      context.out.json({{"schema", 1}, {"started", true}, {"prune", prune_}});
    } else {
      context.out.paragraph(
          "",
          "the agent reads everything from Redis again; workers go on with the mirror meanwhile. To wait for the end: "
          "bifrost-cachectl wait --synced",
          0);
    }
    return ExitCode::kSuccess;
  }

 private:
  bool prune_ = false;
};

}  // namespace

std::unique_ptr<Command> make_sync() {
  return std::make_unique<SyncCommand>();
}

}  // namespace bifrost::cachectl
