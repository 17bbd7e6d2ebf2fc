// push DIR [--prefix PREFIX] [--ttl 1d] [--delete] [--dry-run] - writes a directory of .py files into Redis.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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

// "1h", or seconds as a number: that is how Redis and the first releases have it.
Result<std::uint64_t> ttl_seconds(const std::string& text) {
  std::uint64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number) {
    const auto ms = parse_duration_ms(text);
    if (!ms) return ms.error();
    seconds = *ms / 1000;
  }
  if (seconds >= 1 && seconds <= kMaxTtlSeconds) return seconds;
  return Error{ErrorCode::kInvalidArgument, "`" + text + "` is not between 1 s and 10 years"};
}

const auto kTtlCheck = [](const std::string& text) {
  const auto parsed = ttl_seconds(text);
  return parsed ? std::string() : parsed.error().message;
};

// What a push did, or with --dry-run would do.
struct Outcome {
  std::vector<std::string> written;
  std::vector<std::string> unchanged;  // among them, with --dry-run: Redis has them like this
  bool compared = false;               // Redis could be asked which these are
  std::vector<std::string> deleted;
  std::vector<SkippedFile> skipped;
  std::vector<std::string> left_out;
  std::uint64_t bytes = 0;
};

class PushCommand final : public Command {
 public:
  void declare(CLI::App& app) override {
    app.add_option("DIR", directory_, "directory whose .py files become modules")->required()->type_name("");
    app.add_option("--prefix", prefix_,
                   "put this before every path, or / for nothing; without it, a DIR that is a package keeps its name")
        ->type_name("PREFIX");
    app.add_option("--ttl", ttl_, "how long Redis keeps each module, as in 12h")
        ->capture_default_str()
        ->check(kTtlCheck)
        ->type_name("DURATION");
    app.add_flag("--delete", delete_,
                 "also delete indexed modules that DIR lacks: below the prefix if there is one, and below _solutions/ "
                 "only if that leads there");
    app.add_flag("--dry-run", dry_run_, "only say what would be written and deleted, and what is unchanged");
  }

  ExitCode run(Context& context) override {
    if (delete_ && !dry_run_ && needs_yes(context)) {
      say("--delete deletes modules from Redis; without a terminal to ask at it wants --yes");
      return ExitCode::kUsage;
    }
    if (const Status s = settle_prefix(); !s) {
      say(s.error().message);
      return ExitCode::kUsage;
    }
    const BootTime start = boot_now();
    auto tree = scan_source_tree(directory_, prefix_);
    if (!tree) return fail(tree.error());
    watch_for_interruption();  // until here there is nothing to finish
    if (delete_ && tree->files.empty()) {
      say(directory_ + " holds no modules: --delete would delete them all from Redis, so nothing was done");
      return ExitCode::kError;
    }
    Outcome outcome;
    outcome.skipped = std::move(tree->skipped);
    outcome.left_out = std::move(tree->left_out);
    if (const Status pushed = push(context, tree->files, outcome); !pushed) {
      say(pushed.error().message);
      return pushed.error().code == ErrorCode::kInvalidArgument ? ExitCode::kUsage : ExitCode::kError;
    }
    report(context, outcome, boot_now().since(start));
    for (const std::string& path : outcome.left_out) say(fmt::format("left out {}: installed code", path));
    for (const SkippedFile& s : outcome.skipped) say(fmt::format("skipped {}: {}", s.path, s.reason));
    return outcome.skipped.empty() ? ExitCode::kSuccess : ExitCode::kError;
  }

 private:
  // "" or something that ends with a slash.
  Status settle_prefix() {
    if (prefix_.empty()) {
      prefix_ = package_prefix_of(directory_);
      if (!prefix_.empty()) {
        say(fmt::format("{} is a package: its modules keep its name, {}; --prefix gives another", directory_, prefix_));
      }
      return Done{};
    }
    prefix_.erase(0, std::min(prefix_.find_first_not_of('/'), prefix_.size()));
    if (prefix_.empty()) return Done{};
    if (prefix_.back() != '/') prefix_ += '/';
    const auto fault = paths::fault_in_prefix(prefix_);
    if (!fault) return Done{};
    return Error{ErrorCode::kInvalidArgument,
                 "--prefix: no path begins like this: " + std::string(reason_text(*fault))};
  }

  // A dry run goes on without Redis, if nothing is to be deleted.
  static bool is_needless(const Error& error) { return error.code != ErrorCode::kInvalidArgument; }

  Status push(Context& context, const std::vector<SourceFile>& files, Outcome& outcome) const {
    const auto limit = parse_bytes(context.settings.get(Setting::kMaxModuleBytes));
    if (!limit) return limit.error();
    std::optional<RedisClient> redis;
    std::optional<ModulePush> to;
    auto connected = connect_redis(context);
    if (connected) {
      redis.emplace(std::move(*connected));
      to.emplace(*redis, *ttl_seconds(ttl_));
    } else if (!dry_run_ || delete_ || !is_needless(connected.error())) {
      return connected.error();
    } else {
      say(connected.error().message + "; this run cannot tell what is unchanged");
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
      const auto source = read_source(file, max_bytes);
      if (!source) {
        outcome.skipped.push_back({file.path.text(), source.error().message});
        continue;
      }
      if (!dry_run_) {
        if (const Status s = to->write(file.path, *source); !s) return s;
      } else if (to) {
        if (const Status s = compare(*to, file.path, *source, outcome); !s) return s;
      }
      outcome.written.push_back(file.path.text());
      outcome.bytes += source->size();
      bar.show(i + 1);
    }
    return dry_run_ ? Status(Done{}) : to->finish();
  }

  static Status compare(ModulePush& to, const ModulePath& path, std::string_view source, Outcome& outcome) {
    const auto same = to.holds(path, source);
    if (!same && same.error().code == ErrorCode::kPermission) return Done{};  // a user may write and not read
    if (!same && same.error().code == ErrorCode::kRefused) return same.error();
    if (!same) return Error{same.error().code, "Redis has stopped answering: " + same.error().message};
    outcome.compared = true;
    if (*same) outcome.unchanged.push_back(path.text());
    return Done{};
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
    auto others = from.indexed_modules(prefix_);
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
      nlohmann::ordered_json unchanged;  // null: not known
      if (outcome.compared) unchanged = outcome.unchanged;
      context.out.json({{"schema", 1},
                        {"dry_run", dry_run_},
                        {"redis_url", redis_name(context.settings)},
                        {"prefix", prefix_},
                        {"written", outcome.written},
                        {"unchanged", unchanged},
                        {"deleted", outcome.deleted},
                        {"skipped", skipped},
                        {"left_out", outcome.left_out},
                        {"bytes", outcome.bytes},
                        {"elapsed_ms", std::chrono::duration<double, std::milli>(took).count()}});
      return;
    }
    const bool each = dry_run_ || context.format == OutputFormat::kWide;
    const std::string_view would = dry_run_ ? "would have " : "";
    if (each) {
      for (const std::string& path : outcome.written) {
        const bool same = std::binary_search(outcome.unchanged.begin(), outcome.unchanged.end(), path);
        context.out.print("{}  {}\n", same ? "same  " : "write ", printable(path));
      }
      for (const std::string& path : outcome.deleted) context.out.print("delete  {}\n", printable(path));
    }
    const std::string same =
        outcome.compared ? fmt::format(", {} of them unchanged,", outcome.unchanged.size()) : std::string();
    context.out.print("{}written {} modules ({}){} and deleted {} in {}; Redis: {}\n", would, outcome.written.size(),
                      human_bytes(outcome.bytes), same, outcome.deleted.size(), human_duration(took),
                      printable(redis_name(context.settings)));
  }

  std::string directory_;
  std::string prefix_;
  std::string ttl_ = "1d";
  bool delete_ = false;
  bool dry_run_ = false;
};

}  // namespace

std::unique_ptr<Command> make_push() {
  return std::make_unique<PushCommand>();
}

}  // namespace bifrost::cachectl
