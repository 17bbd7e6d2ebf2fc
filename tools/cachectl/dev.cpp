// dev DIR - local development: a private Redis, an agent that shares code, and a watch of DIR that tells what each save
// changed and whether it compiles. Ctrl-C ends and removes all of it.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/control/agent_connection.hpp"
#include "common/redis/redis_client.hpp"
#include "tools/cachectl/agent_words.hpp"
#include "tools/cachectl/child_process.hpp"
#include "tools/cachectl/dev_report.hpp"
#include "tools/cachectl/dev_worker.hpp"
#include "tools/cachectl/directory_watch.hpp"
#include "tools/cachectl/interruption.hpp"
#include "tools/cachectl/module_push.hpp"
#include "tools/cachectl/source_tree.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::chrono::seconds kStartTime(20);
constexpr std::chrono::seconds kFenceTime(5);
constexpr std::chrono::milliseconds kLookAtChildren(500);
constexpr std::chrono::seconds kCompileTime(5);
constexpr std::uint64_t kTtlSeconds = 365 * 86'400;

// A directory of our own, on tmpfs where there is one; removed with everything in it.
class PrivateDirectory {
 public:
  PrivateDirectory() {
    std::string name = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/bifrost-dev-XXXXXX" : "/tmp/bifrost-dev-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~PrivateDirectory() {
    std::error_code ignored;  // at the end there is nobody to act on it
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Enough to notice a save, and that a file may be read now.
struct FileState {
  std::int64_t changed_ns = 0;
  std::int64_t bytes = 0;
  bool operator==(const FileState&) const = default;
};
struct KnownFile {
  FileState state;
  bool written = false;  // to Redis, in this version or one before
};

std::string agent_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / "bifrost-agent";
  return !error && ::access(beside.c_str(), X_OK) == 0 ? beside.string() : "bifrost-agent";
}

// The private agent has settings of its own; what the node's agent listens on or compiles for is not for it.
void forget_settings_of_the_node() {
  for (const SettingInfo& info : setting_table()) ::unsetenv(std::string(info.variable).c_str());
}

class DevCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("DIR", directory_, "directory whose .py files are the workspace")->required()->type_name("");
  }

  ExitCode run(Context& context) override {
    std::error_code error;
    directory_ = named_directory(directory_);
    if (!std::filesystem::is_directory(directory_, error)) {
      say("DIR is not a directory: give the one that holds your modules");
      return ExitCode::kUsage;
    }
    prefix_ = package_prefix_of(directory_);
    workspace_ = prefix_.empty() ? directory_ : std::filesystem::path(directory_).parent_path().string();
    report_ = DevReport::make(context.out, context.format);
    watch_for_interruption();
    interpreter_ = worker_interpreter();
    std::optional<PrivateDirectory> home(std::in_place);
    if (home->path().empty()) return fail({ErrorCode::kIo, "no directory can be made in /dev/shm or /tmp"});
    if (const Status s = serve(context, home->path()); !s && !interrupted()) {
      say(s.error().message);
      show_log(home->path() + "/log");
      return ExitCode::kError;
    }
    home.reset();  // whoever hears that it has stopped may end what is left of it
    report_->stopped();
    return ExitCode::kSuccess;
  }

 private:
  static Result<ChildProcess> start_redis(const std::string& home, const std::string& socket, int log) {
    Error error;
    for (const std::string program : {"redis-server", "valkey-server"}) {
      auto server = ChildProcess::start(
          {program, "--port", "0", "--unixsocket", socket, "--dir", home, "--save", "", "--appendonly", "no"}, log,
          log);
      if (server || server.error().code != ErrorCode::kNotFound) return server;
      if (error.message.empty()) error = server.error();
    }
    return Error{error.code, error.message + ", nor is valkey-server: apt install redis-server"};
  }

  Status serve(Context& context, const std::string& home) {
    const std::string socket = home + "/redis.sock";
    const std::string url = "unix://" + socket;
    const std::string segment_dir = home + "/segment";
    const UniqueFd log(::open((home + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    auto redis_server = start_redis(home, socket, log.get());
    if (!redis_server) return redis_server.error();
    auto redis = connected(url, *redis_server);
    if (!redis) return redis.error();
    forget_settings_of_the_node();
    std::vector<std::string> command = {agent_program(),
                                        "--config",
                                        "/dev/null",
                                        "--redis-url",
                                        url,
                                        "--segment-dir",
                                        segment_dir,
                                        "--workspace",
                                        workspace_,
                                        "--max-module-bytes",
                                        context.settings.get(Setting::kMaxModuleBytes)};
    if (interpreter_) command.insert(command.end(), {"--python", *interpreter_});
    auto agent = ChildProcess::start(command, -1, log.get());
    if (!agent) return agent.error();
    ModulePush push(*redis, kTtlSeconds);
    if (const Status s = follow(context, push); !s) return s;
    if (const auto fence = fenced(segment_dir, *agent); !fence) return fence.error();
    introduce(url, segment_dir);
    return watch(context, push, segment_dir, *redis_server, *agent);
  }

  // What there is, and what does not compile of it.
  void introduce(const std::string& url, const std::string& segment_dir) {
    std::erase_if(changes_, [](const DevChange& c) { return c.what != "skipped"; });
    report_->started(
        {directory_,
         prefix_,
         known_.size(),
         left_out_,
         std::exchange(changes_, {}),
         {{"BIFROST_SEGMENT_DIR", segment_dir}, {"BIFROST_REDIS_URL", url}, {"BIFROST_WORKSPACE", workspace_}},
         uninstalled_package(),
         interpreter_,
         target_});
    say_failures(segment_dir, {});
    report_->watching();
  }

  // What does not compile: of these paths, or of all when there are none.
  void say_failures(const std::string& segment_dir, const std::set<std::string>& paths) const {
    if (!interpreter_) return;
    const Deadline deadline(kCompileTime);
    while (!interrupted() && !deadline.passed()) {
      const auto words = ask_state(segment_dir, deadline);
      if (!words || words->compiling == 0) break;
      ::poll(nullptr, 0, 10);
    }
    const auto failures = ask_not_compiled(segment_dir, Deadline(kFenceTime));
    if (!failures) return;
    for (const CompileFailure& failure : *failures) {
      if (!paths.empty() && !paths.contains(failure.path)) continue;
      report_->does_not_compile(failure);
    }
  }

  static Result<RedisClient> connected(const std::string& url, ChildProcess& server) {
    const auto parsed = parse_redis_url(url);
    const Deadline deadline(kStartTime);
    int status = 0;
    while (true) {
      auto redis = RedisClient::connect(*parsed, deadline);
      if (redis || deadline.passed() || interrupted()) return redis;
      if (server.ended(status)) return Error{ErrorCode::kIo, fmt::format("redis-server ended with status {}", status)};
      ::poll(nullptr, 0, 10);
    }
  }

  // The agent may still be starting.
  static Result<FenceAnswer> fenced(const std::string& segment_dir, ChildProcess& agent) {
    AgentConnection connection(segment_dir);
    const Deadline deadline(kStartTime);
    int status = 0;
    while (true) {
      auto fence = connection.fence(Deadline(kFenceTime));
      if (fence || deadline.passed() || interrupted()) return fence;
      if (agent.ended(status)) return Error{ErrorCode::kIo, fmt::format("bifrost-agent ended with status {}", status)};
      ::poll(nullptr, 0, 10);
    }
  }

  Status watch(Context& context, ModulePush& push, const std::string& segment_dir, ChildProcess& redis_server,
               ChildProcess& agent) {
    AgentConnection connection(segment_dir);
    int status = 0;
    while (!interrupted() && !context.out.in_vain()) {
      if (redis_server.ended(status)) return Error{ErrorCode::kIo, "redis-server has ended"};
      if (agent.ended(status)) return Error{ErrorCode::kIo, fmt::format("bifrost-agent ended with status {}", status)};
      if (!watch_.changed_within(kLookAtChildren)) continue;
      changes_.clear();
      if (const Status s = follow(context, push); !s) return s;
      if (changes_.empty()) continue;
      const auto fence = connection.fence(Deadline(kFenceTime));
      if (!fence) return fence.error();
      tell(fence->generation, segment_dir);
    }
    return Done{};
  }

  void tell(Generation generation, const std::string& segment_dir) {
    std::set<std::string> written;
    for (const DevChange& change : changes_) {
      report_->changed(generation, change);
      if (change.what == "added" || change.what == "changed") written.insert(change.path);
    }
    if (!written.empty()) say_failures(segment_dir, written);
  }

  // Brings Redis to what the directory holds now.
  Status follow(Context& context, ModulePush& push) {
    const auto limit = parse_bytes(context.settings.get(Setting::kMaxModuleBytes));
    if (!limit) return limit.error();
    const auto tree = scan_source_tree(directory_, prefix_);
    if (!tree) return tree.error();
    watch_.add(tree->directories);
    left_out_ = tree->left_out;
    note_skipped(tree->skipped);
    std::map<ModulePath, KnownFile> now;
    for (const SourceFile& file : tree->files) {
      struct stat st {};
      if (::stat(file.disk_path.c_str(), &st) != 0) continue;  // gone again: the next look sees to it
      const FileState state{st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec, st.st_size};
      const auto known = known_.find(file.path);
      if (known != known_.end() && known->second.state == state) {
        now.emplace(file.path, known->second);
        continue;
      }
      const auto source = read_source(file, *limit);
      if (!source) {
        if (::access(file.disk_path.c_str(), F_OK) != 0) continue;  // gone again
        now.emplace(file.path, KnownFile{state, known != known_.end() && known->second.written});
        changes_.push_back({file.path.text(), "skipped", source.error().message});
        continue;
      }
      now.emplace(file.path, KnownFile{state, true});
      if (const Status s = push.write(file.path, *source); !s) return s;
      changes_.push_back({file.path.text(), known == known_.end() ? "added" : "changed", ""});
      offer(file.path.text(), *source);
    }
    for (const auto& [path, file] : known_) {
      if (now.count(path) != 0 || !file.written) continue;
      if (const Status s = push.remove(path); !s) return s;
      changes_.push_back({path.text(), "deleted", ""});
    }
    known_ = std::move(now);
    return push.finish();
  }

  // Each once: they are found again by every look.
  void note_skipped(const std::vector<SkippedFile>& skipped) {
    std::map<std::string, std::string> reasons;
    for (const SkippedFile& file : skipped) {
      reasons.emplace(file.path, file.reason);
      const auto said = skipped_.find(file.path);
      if (said == skipped_.end() || said->second != file.reason) {
        changes_.push_back({file.path, "skipped", file.reason});
      }
    }
    skipped_ = std::move(reasons);
  }

  // The target of the hint: the first function that can be run as it is, main and run before others.
  void offer(const std::string& path, std::string_view source) {
    const std::string name = callable_in(source);
    const bool better = name == "main" || name == "run";
    if (name.empty() || (!target_.empty() && (!better || target_is_good_))) return;
    target_ = import_name(path) + ":" + name;
    target_is_good_ = better;
  }

  // The last lines of what Redis and the agent had to say, for a start that failed.
  static void show_log(const std::string& path) {
    const auto text = read_file(path, 1u << 20);
    if (!text) return;
    constexpr std::size_t kShownBytes = 2000;
    std::string_view tail = *text;
    if (tail.size() > kShownBytes) tail.remove_prefix(tail.size() - kShownBytes);
    while (!tail.empty()) {
      const auto end = tail.find('\n');
      say(tail.substr(0, end));
      tail = end == std::string_view::npos ? std::string_view{} : tail.substr(end + 1);
    }
  }

  std::string directory_;
  std::string prefix_;     // of every path, when DIR is a package
  std::string workspace_;  // DIR, or the directory of that package
  std::optional<std::string> interpreter_;
  std::unique_ptr<DevReport> report_;
  DirectoryWatch watch_;
  std::map<ModulePath, KnownFile> known_;
  std::vector<DevChange> changes_;
  std::vector<std::string> left_out_;
  std::map<std::string, std::string> skipped_;  // path: reason, as it was said
  std::string target_;
  bool target_is_good_ = false;
};

}  // namespace

std::unique_ptr<Command> make_dev() {
  return std::make_unique<DevCommand>();
}

}  // namespace bifrost::cachectl
