// dev DIR - local development: a private Redis, an agent, and a watch of DIR. Ctrl-C ends and removes all of it.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/control/agent_connection.hpp"
#include "common/redis/module_value.hpp"
#include "common/redis/redis_client.hpp"
#include "tools/cachectl/child_process.hpp"
#include "tools/cachectl/interruption.hpp"
#include "tools/cachectl/module_push.hpp"
#include "tools/cachectl/source_tree.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::chrono::seconds kStartTime(20);
constexpr std::chrono::seconds kFenceTime(5);
constexpr int kLookEveryMs = 100;
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

// Enough to notice a save.
struct FileState {
  std::int64_t changed_ns = 0;
  std::int64_t bytes = 0;
  bool operator==(const FileState&) const = default;
};

// "" when it is not known.
std::filesystem::path own_directory() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path() : self.parent_path();
}

std::string agent_program() {
  const auto beside = own_directory() / "bifrost-agent";
  return ::access(beside.c_str(), X_OK) == 0 ? beside.string() : "bifrost-agent";
}

// Where the Python package is when nothing is installed: in the build tree that has this program. Else "".
std::string uninstalled_package() {
  const auto python = own_directory().parent_path() / "python";
  return ::access((python / "bifrost_cache").c_str(), R_OK) == 0 ? python.string() : "";
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
    directory_ = std::filesystem::canonical(directory_, error).string();
    if (error || !std::filesystem::is_directory(directory_)) {
      say("this is no directory: give the one that holds your modules");
      return ExitCode::kUsage;
    }
    watch_for_interruption();
    const PrivateDirectory home;
    if (home.path().empty()) return fail({ErrorCode::kIo, "no directory can be made in /dev/shm or /tmp"});
    if (const Status s = serve(context, home.path()); !s && !interrupted()) {
      say(s.error().message);
      show_log(home.path() + "/log");
      return ExitCode::kError;
    }
    context.out.line("stopped; nothing is left running");
    return ExitCode::kSuccess;
  }

 private:
  Status serve(Context& context, const std::string& home) {
    const std::string socket = home + "/redis.sock";
    const std::string url = "unix://" + socket;
    const std::string segment_dir = home + "/segment";
    const UniqueFd log(::open((home + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    auto redis_server = ChildProcess::start(
        {"redis-server", "--port", "0", "--unixsocket", socket, "--dir", home, "--save", "", "--appendonly", "no"},
        log.get(), log.get());
    if (!redis_server) {
      const bool missing = redis_server.error().code == ErrorCode::kNotFound;
      return Error{redis_server.error().code,
                   redis_server.error().message + (missing ? ": apt install redis-server" : "")};
    }
    auto redis = connected(url, *redis_server);
    if (!redis) return redis.error();
    forget_settings_of_the_node();
    auto agent = ChildProcess::start(
        {agent_program(), "--config", "/dev/null", "--redis-url", url, "--segment-dir", segment_dir, "--workspace",
         directory_, "--max-module-bytes", context.settings.get(Setting::kMaxModuleBytes)},
        -1, log.get());
    if (!agent) return agent.error();
    ModulePush push(*redis, kTtlSeconds);
    if (const Status s = follow(context, push); !s) return s;
    if (const auto fence = fenced(segment_dir, *agent); !fence) return fence.error();
    context.out.print("{} modules of {} are mirrored. In another terminal:\n\n", known_.size(), printable(directory_));
    context.out.print("  export BIFROST_SEGMENT_DIR={} BIFROST_REDIS_URL={} BIFROST_WORKSPACE={}\n", segment_dir, url,
                      shell_word(directory_));
    if (const std::string package = uninstalled_package(); !package.empty()) {
      context.out.print("  export PYTHONPATH={}${{PYTHONPATH:+:$PYTHONPATH}}\n", shell_word(package));
    }
    context.out.line("  python3 -m bifrost_cache run your.module:function\n");
    context.out.line("Save a file, and the next execution runs it. Ctrl-C ends.");
    context.out.flush();
    return watch(context, push, segment_dir, *redis_server, *agent);
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
    while (!interrupted()) {
      if (redis_server.ended(status)) return Error{ErrorCode::kIo, "redis-server has ended"};
      if (agent.ended(status)) return Error{ErrorCode::kIo, fmt::format("bifrost-agent ended with status {}", status)};
      ::poll(nullptr, 0, kLookEveryMs);
      changes_.clear();
      if (const Status s = follow(context, push); !s) return s;
      if (changes_.empty()) continue;
      const auto fence = connection.fence(Deadline(kFenceTime));
      if (!fence) return fence.error();
      for (const std::string& change : changes_) {
        context.out.print("generation {:<4} {}\n", fence->generation.value, printable(change));
      }
      context.out.flush();
    }
    return Done{};
  }

  // Brings Redis to what the directory holds now.
  Status follow(Context& context, ModulePush& push) {
    const auto limit = parse_bytes(context.settings.get(Setting::kMaxModuleBytes));
    if (!limit) return limit.error();
    const auto tree = scan_source_tree(directory_);
    if (!tree) return tree.error();
    std::map<ModulePath, FileState> now;
    for (const SourceFile& file : tree->files) {
      struct stat st {};
      if (::stat(file.disk_path.c_str(), &st) != 0) continue;  // gone again: the next look sees to it
      const FileState state{st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec, st.st_size};
      const auto known = known_.find(file.path);
      if (known != known_.end() && known->second == state) {
        now.emplace(file.path, state);
        continue;
      }
      const auto source = read_source(file.disk_path, *limit);
      if (!source) continue;
      now.emplace(file.path, state);
      if (!is_utf8(*source)) {
        changes_.push_back(file.path.text() + ": skipped, not UTF-8");
        continue;
      }
      if (const Status s = push.write(file.path, *source); !s) return s;
      changes_.push_back(file.path.text());
    }
    for (const auto& [path, state] : known_) {
      if (now.count(path) != 0) continue;
      if (const Status s = push.remove(path); !s) return s;
      changes_.push_back(path.text() + " deleted");
    }
    known_ = std::move(now);
    return push.finish();
  }

  // The last lines of what Redis and the agent had to say, for a start that failed.
  static void show_log(const std::string& path) {
    const auto text = read_source(path, 1u << 20);
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
  std::map<ModulePath, FileState> known_;
  std::vector<std::string> changes_;
};

}  // namespace

std::unique_ptr<Command> make_dev() {
  return std::make_unique<DevCommand>();
}

}  // namespace bifrost::cachectl
