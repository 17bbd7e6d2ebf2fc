// push DIR [--ttl 86400] [--delete] [--dry-run] - writes a directory of .py files into Redis.
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/redis/module_value.hpp"
#include "common/redis/redis_url.hpp"
#include "tools/cachectl/confirmation.hpp"
#include "tools/cachectl/interruption.hpp"
#include "tools/cachectl/module_push.hpp"
#include "tools/cachectl/progress_bar.hpp"
#include "tools/cachectl/redis_access.hpp"
#include "tools/cachectl/source_tree.hpp"
#include "tools/cachectl/text.hpp"
#include "tools/cachectl/verbs.hpp"

namespace bifrost::cachectl {
namespace {

constexpr std::uint64_t kMaxTtlSeconds = 10ull * 365 * 86'400;

// What a push did, or with --dry-run would do.
struct Outcome {
  std::vector<std::string> written;
  std::vector<std::string> deleted;
  std::vector<SkippedFile> skipped;
  std::uint64_t bytes = 0;
};

class PushCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("DIR", directory_, "directory whose .py files become modules")->required()->type_name("");
    app.add_option("--ttl", ttl_, "seconds that Redis keeps each module")
        ->capture_default_str()
        ->check(CLI::Range(std::uint64_t{1}, kMaxTtlSeconds))
        ->type_name("SECONDS");
    app.add_flag("--delete", delete_, "delete indexed modules that DIR lacks, but nothing below _solutions/");
    app.add_flag("--dry-run", dry_run_, "only say what would be written and deleted");
  }

  ExitCode run(Context& context) override {
    watch_for_interruption();
    const BootTime start = boot_now();
    auto tree = scan_source_tree(directory_);
    if (!tree) return fail(tree.error());
    if (delete_ && tree->files.empty()) {
      say(directory_ + " holds no modules: --delete would delete them all from Redis, so nothing was done");
      return ExitCode::kError;
    }
    Outcome outcome;
    outcome.skipped = std::move(tree->skipped);
    if (const Status pushed = push(context, tree->files, outcome); !pushed) {
      say(pushed.error().message);
      return pushed.error().code == ErrorCode::kInvalidArgument ? ExitCode::kUsage : ExitCode::kError;
    }
    report(context, outcome, boot_now().since(start));
    for (const SkippedFile& s : outcome.skipped) say(fmt::format("skipped {}: {}", s.path, s.reason));
    return outcome.skipped.empty() ? ExitCode::kSuccess : ExitCode::kError;
  }

 private:
  Status push(Context& context, const std::vector<SourceFile>& files, Outcome& outcome) const {
    const auto limit = parse_bytes(context.settings.get(Setting::kMaxModuleBytes));
    if (!limit) return limit.error();
    std::optional<RedisClient> redis;
    std::optional<ModulePush> to;
    if (!dry_run_ || delete_) {
      auto connected = connect_redis(context);
      if (!connected) return connected.error();
      redis.emplace(std::move(*connected));
      to.emplace(*redis, ttl_);
    }
    if (const Status s = write_all(files, *limit, to, outcome); !s) return s;
    return delete_ ? delete_others(context, files, *to, outcome) : Status(Done{});
  }

  Status write_all(const std::vector<SourceFile>& files, std::uint64_t max_bytes, std::optional<ModulePush>& to,
                   Outcome& outcome) const {
    ProgressBar bar("push", files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (interrupted()) return stop_early(to, i, files.size());
      const SourceFile& file = files[i];
      const auto source = read_source(file.disk_path, max_bytes);
      if (!source || !is_utf8(*source)) {
        outcome.skipped.push_back({file.path.text(), source ? "not UTF-8" : source.error().message});
        continue;
      }
      if (!dry_run_) {
        if (const Status s = to->write(file.path, *source); !s) return s;
      }
      outcome.written.push_back(file.path.text());
      outcome.bytes += source->size();
      bar.show(i + 1);
    }
    return dry_run_ ? Status(Done{}) : to->finish();
  }

  // What was queued is still sent: every module is either whole in Redis and in the index, or was not begun.
  static Status stop_early(std::optional<ModulePush>& to, std::size_t done, std::size_t all) {
    if (to) {
      if (const Status s = to->finish(); !s) return s;
    }
    return Error{ErrorCode::kIo, fmt::format("interrupted: {} of {} modules written; push again to go on", done, all)};
  }

  static Status stop_deleting(ModulePush& from, std::size_t done, std::size_t all) {
    if (const Status s = from.finish(); !s) return s;
    return Error{ErrorCode::kIo, fmt::format("interrupted: {} of {} modules deleted; push again to go on", done, all)};
  }

  // A file that was skipped still stands for its module: what Redis has of it stays.
  Status delete_others(const Context& context, const std::vector<SourceFile>& files, ModulePush& from,
                       Outcome& outcome) const {
    auto others = from.indexed_modules();
    if (!others) return others.error();
    for (const SourceFile& file : files) others->erase(file.path);
    std::set<std::string, std::less<>> skipped;
    for (const SkippedFile& file : outcome.skipped) {
      skipped.insert(file.path.back() == '/' ? file.path.substr(0, file.path.size() - 1) : file.path);
    }
    std::erase_if(*others, [&](const ModulePath& other) { return is_or_lies_below(skipped, other.text()); });
    if (!dry_run_ && !others->empty() &&
        !confirmed(context, fmt::format("delete {} modules that {} lacks from {}?", others->size(), directory_,
                                        redis_name(context.settings)))) {
      return Error{ErrorCode::kIo, "nothing was deleted"};
    }
    for (const ModulePath& path : *others) {
      if (interrupted()) return stop_deleting(from, outcome.deleted.size(), others->size());
      if (!dry_run_) {
        if (const Status s = from.remove(path); !s) return s;
      }
      outcome.deleted.push_back(path.text());
    }
    return dry_run_ ? Status(Done{}) : from.finish();
  }

  // A directory that cannot be read is skipped, too.
  static bool is_or_lies_below(const std::set<std::string, std::less<>>& skipped, std::string_view path) {
    for (auto end = path.find('/'); end != std::string_view::npos; end = path.find('/', end + 1)) {
      if (skipped.contains(path.substr(0, end))) return true;
    }
    return skipped.contains(path);
  }

  void report(Context& context, const Outcome& outcome, std::chrono::nanoseconds took) const {
    if (context.format == OutputFormat::kJson) {
      nlohmann::ordered_json skipped = nlohmann::ordered_json::array();
      for (const SkippedFile& s : outcome.skipped) skipped.push_back({{"path", s.path}, {"reason", s.reason}});
      context.out.json({{"schema", 1},
                        {"dry_run", dry_run_},
                        {"redis_url", redis_name(context.settings)},
                        {"written", outcome.written},
                        {"deleted", outcome.deleted},
                        {"skipped", skipped},
                        {"bytes", outcome.bytes},
                        {"elapsed_ms", std::chrono::duration<double, std::milli>(took).count()}});
      return;
    }
    const bool each = dry_run_ || context.format == OutputFormat::kWide;
    const std::string_view would = dry_run_ ? "would have " : "";
    if (each) {
      for (const std::string& path : outcome.written) context.out.print("write   {}\n", printable(path));
      for (const std::string& path : outcome.deleted) context.out.print("delete  {}\n", printable(path));
    }
    context.out.print("{}written {} modules ({}) and deleted {} in {}; Redis: {}\n", would, outcome.written.size(),
                      human_bytes(outcome.bytes), outcome.deleted.size(), human_duration(took),
                      printable(redis_name(context.settings)));
  }

  std::string directory_;
  std::uint64_t ttl_ = 86'400;
  bool delete_ = false;
  bool dry_run_ = false;
};

}  // namespace

std::unique_ptr<Command> make_push() {
  return std::make_unique<PushCommand>();
}

}  // namespace bifrost::cachectl
