// process_state.hpp - everything the shim knows in this process: settings, sources, the pinned view, what is loaded.
//
// Concurrency: any thread, and forks at any moment. Its mutex guards pointers only; nothing waits, calls back or asks
// Redis while holding it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/settings.hpp"
#include "shim/core/execution.hpp"
#include "shim/core/loaded_modules.hpp"
#include "shim/core/missing_reasons.hpp"
#include "shim/core/presence.hpp"
#include "shim/core/resolver.hpp"
#include "shim/core/shared_execution.hpp"
#include "shim/core/standing.hpp"
#include "shim/core/telemetry.hpp"

namespace bifrost {

struct ExecutionStart {
  std::shared_ptr<const View> view;
  std::shared_ptr<const View> before = nullptr;  // the pin that `view` took the place of
  // An execution of another scope is marked as going on: this one has not begun.
  bool refused = false;
  bool same_scope = true;
  // Everything loaded so far is what this execution would load. Never so when the scope is another one.
  bool loaded_is_current = true;
};

class ProcessState final : public AtFork {
 public:
  ~ProcessState() { leave_forks(); }

  // `loaded` and `last_reads` outlive the settings: a process may install its hook anew. Errors: kInvalidArgument, one
  // sentence that names the setting.
  static Result<std::unique_ptr<ProcessState>> create(const Settings& settings, AroundWait around_wait,
                                                      std::shared_ptr<LoadedModules> loaded,
                                                      std::shared_ptr<LastReads> last_reads, CodeTag tag = {});

  // Whether the settings keep the cache out of this process. Errors: kInvalidArgument, as above.
  static Result<bool> is_disabled(const Settings& settings);

  const Settings& settings() const { return settings_; }
  // Absolute, without a trailing slash.
  const std::string& workspace() const { return workspace_; }
  bool serves_stale() const { return settings_.get(Setting::kOnStale) != "error"; }
  bool installed_first() const { return settings_.get(Setting::kPrecedence) == "installed"; }

  // The directory in storage that an absolute path means ("" for the workspace itself), if it lies in the workspace.
  // As the file system would: `//`, `.` and `..` are resolved, by their spelling, since there are no links.
  std::optional<std::string> storage_of(std::string_view file_path) const;
  std::string file_of(std::string_view storage_path) const;

  // Goes on with the execution of `before`, whose place this one takes: pinned as it is, until the next begins.
  void take_execution_of(ProcessState& before);
  // Decides what this execution imports from. Asks agent and Redis, within about the request's time-out.
  // What `store` raises while it is asked about what is loaded goes through, and nothing has begun.
  ExecutionStart begin(const ExecutionRequest& request);
  // As if it had not begun: its caller was interrupted.
  void take_back(const ExecutionStart& start);
  // Marks an execution of `scope` as going on, until end(): no other scope can begin meanwhile, from whatever thread.
  // One of the same scope can, and decides what both import from then on. False when another scope has begun since.
  // `began_at`: where it began, 0 unless that was in the mirror.
  bool enter(const Scope& scope, std::shared_ptr<SharedExecution> execution, Generation began_at);
  void end(const SharedExecution& execution);
  bool any_entered();
  // Of an execution that was entered and goes on with another one: what is known of that is known of it by now.
  bool intact(const SharedExecution& execution);
  // Whether everything that this process has taken from the workspace is, in `view`, what it was then. Touches none of
  // it when the words that witness it are the same.
  bool still_stands_in(const View& view);
  // The same for one module that was found and not run: whether an import would find it by now. Never so when its
  // parent is not loaded.
  bool finds_the_same(const std::string& name, const LoadedModule& found);
  // Moves to the newest snapshot: the pinned view is replaced, an execution stays one. One that imports from Redis or
  // a stale mirror moves to the mirror when its lease holds again.
  void move_to_newest();
  Result<Generation> wait_fresh(const Deadline& deadline);

  // The pinned view, or the best one for right now.
  std::shared_ptr<const View> view();

  // Of the present execution.
  Scope scope();
  // The next listing is read again.
  void forget_listings() { redis_.forget_index(); }

  // `name` below the first of `directories` that has it. Never kSnapshotLost.
  Resolution resolve(std::span<const std::string> directories, std::string_view name, Asking asking);
  // After kUnsettled at `moves`: somebody else answers for the name, and the platform's store is not asked. Returns as
  // check_taken().
  std::optional<std::string> leave_to_others(std::span<const std::string> directories, std::string_view name,
                                             std::uint64_t moves);
  // What was found at `moves` has been noted among what is loaded. If another thread has moved the execution since, its
  // comparison knew nothing of that: this one does. Returns why the import must fail, or nothing.
  std::optional<std::string> check_taken(std::uint64_t moves);
  // Whom to ask about what Redis may lack. Before other threads import.
  void ask_of(std::shared_ptr<WholeStore> store);
  // Whether `nowhere`, an answer for which nobody was asked, is the store's to correct.
  bool is_open(const Resolution& resolution) const;
  // After a failure: a clause that says which way it is missing, "" for nowhere.
  std::string why_missing(std::span<const std::string> directories, std::string_view name) {
    const std::shared_ptr<const View> now = view();
    return MissingReasons(*now, redis_).why_missing(directories, name);
  }

  // The file of exactly this path. read_path() notes that its content was looked at; look_at_path() does not.
  Resolution read_path(ModulePathView path);
  Resolution look_at_path(ModulePathView path);
  // Of a path as a platform names its entry files: Resolver::find_path().
  Resolution find_path(ModulePathView path);
  // Errors: kUnreachable, when nobody who knows can be asked.
  Result<std::vector<Child>> list(const std::string& directory);

  // The content of a module that was found: as it was found, or, when that version is gone or damaged there, from
  // wherever the same content still is. Nothing when nobody has it any more. May ask Redis.
  std::optional<std::string> content_of(const Resolution& module);
  // What the module's path holds by now, in this process' own memory. May ask Redis.
  Resolution read_again(ModulePathView path);

  // How many executions have begun.
  std::uint64_t times_begun() const { return begun_; }
  // The module was looked for, or began to run, before this execution began, and is there.
  void note_from_before(std::string_view name);
  // Once per execution: a sentence for its author when it goes on with a later generation than the one it began with.
  std::optional<std::string> take_lost_notice();
  // True once per process: something stale has been served, or an execution was told that it will be.
  bool take_stale_notice();

  LoadedModules& loaded() { return *loaded_; }
  ShimCounters& counters() { return counters_; }
  // Hands the counters to the node, at the end of the process, which is no longer shown as present.
  void report() {
    telemetry_.report(counters_);
    presence_.leave();
  }
  // Closes the connections that are kept between questions.
  void let_go() {
    agent_.close();
    redis_.let_go();
  }

  void before_fork() override;
  void after_fork_in_parent() override;
  void after_fork_in_child() override;

 private:
  ProcessState(const Settings& settings, std::string workspace, Trust trust, AroundWait around_wait,
               std::shared_ptr<LoadedModules> loaded, std::shared_ptr<LastReads> last_reads, CodeTag tag);

  Sources sources() { return {mirror_, agent_, redis_, around_wait_, counters_}; }
  NodeLookup nodes() { return {mirror_, redis_, counters_, serves_stale(), tag_}; }
  Resolver resolver() { return {nodes(), store_}; }
  // For an execution, or for what is imported outside of any.
  std::shared_ptr<SettledNames> nothing_settled() const;
  // After something that `view` leads to turned out to be gone: the same generation through the newest root if it is
  // still kept there. If not, an execution moves to the newest generation where all that it has loaded is the same;
  // else `on_stale` decides. Returns why imports must fail, or nothing.
  std::optional<std::string> renew(const std::shared_ptr<const View>& view);
  // Before something is taken by an execution, which may go on in other processes. Returns as lose().
  std::optional<std::string> take_beside_others(const View& view);
  // The execution of `view` goes on with `then`, which may be of a later state: counted, and said once. Returns why it
  // must not, and no import of it succeeds any more, or nothing.
  std::optional<std::string> lose(const View& view, const std::string& why, const std::string& then);
  // The same without a loss, where nobody need be refused.
  std::optional<std::string> tear(const View& view, const std::string& why, const std::string& then, bool refuses);
  enum class Why { kAsked, kLost };  // somebody wants the newest; or the snapshot is not kept any more
  // Moves the execution to `next` if all that it has taken is the same there, also what its threads take meanwhile.
  bool moves_whole(const std::shared_ptr<const View>& old, const std::shared_ptr<View>& next, Why why);
  // After moves_whole(): whether another process of the execution may have taken something else. Then nobody can tell.
  static bool moved_beside_others(const View& old, const View& next);
  // Does nothing if another thread was faster. `compared`: that version of what is loaded is the same in `next`; false,
  // and nothing done, where more was taken since.
  bool replace_pin(const std::shared_ptr<const View>& old, const std::shared_ptr<View>& next, Why why,
                   std::optional<std::uint64_t> compared = std::nullopt);
  // Null outside of executions.
  std::shared_ptr<const View> pinned_view();
  // With mutex_: those that were entered have imported what pin_ says.
  void settle_entered();
  void end_comparison(bool entered_go_on_whole);
  std::string explain_loss(const View& lost, std::string_view and_what) const;
  void count(const Resolution& resolution);
  template <class Ask>
  auto with_whole_view(const Ask& ask);
  Resolution checked(Resolution answer);

  const Settings settings_;
  const std::string workspace_;
  const AroundWait around_wait_;
  ShimCounters counters_;
  Telemetry telemetry_;
  PresenceReport presence_;
  MirrorView mirror_;
  AgentConnection agent_;
  const std::shared_ptr<LastReads> last_reads_;
  RedisFallback redis_;
  StoreFallback store_;
  const std::shared_ptr<LoadedModules> loaded_;
  const CodeTag tag_;
  std::atomic<bool> stale_execution_{false};
  std::atomic<bool> stale_noticed_{false};
  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> moves_{0};  // how often one was about to go on with another state, as unchanged

  std::mutex mutex_;
  std::shared_ptr<const View> pin_;
  SharedExecutions executions_;
  std::uint32_t fork_ = 0;                                 // the number of the process that is being forked
  std::shared_ptr<SettledNames> settled_outside_;          // of executions, until the first begins
  std::vector<std::shared_ptr<SharedExecution>> entered_;  // and not ended, of pin_'s scope
  int comparing_ = 0;                                      // begin()s that do not know yet what becomes of these
  std::vector<std::shared_ptr<SharedExecution>> ended_meanwhile_;
  Standing standing_;
  std::string lost_notice_;  // not taken yet
};

}  // namespace bifrost
