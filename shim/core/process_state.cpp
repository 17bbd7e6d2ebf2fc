#include "shim/core/process_state.hpp"

#include <algorithm>
#include <filesystem>

#include "shim/core/comparison.hpp"

namespace bifrost {
namespace {

// A writer that outruns a reader this often in a row: the reader asks Redis instead.
constexpr int kMaxViewsPerLookup = 4;

Error invalid(const Settings& settings, Setting id, std::string_view expected) {
  const SettingValue& entry = settings.entry(id);
  return {ErrorCode::kInvalidArgument, std::string(setting_info(id).key) + " = `" + entry.value + "` (" + entry.origin +
                                           "): expected " + std::string(expected)};
}

// Whether the same path may have a shorter spelling.
bool may_be_indirect(std::string_view path) {
  return path.find("//") != std::string_view::npos || path.find("/.") != std::string_view::npos;
}

std::string direct(std::string_view path) {
  return std::filesystem::path(path).lexically_normal().native();
}

Result<std::string> workspace_of(const Settings& settings) {
  std::string root = direct(settings.get(Setting::kWorkspace));
  while (!root.empty() && root.back() == '/') root.pop_back();
  if (root.empty() || root.front() != '/') {
    return invalid(settings, Setting::kWorkspace, "an absolute path below /");
  }
  return root;
}

Status check_choice(const Settings& settings, Setting id, std::string_view a, std::string_view b) {
  const std::string& value = settings.get(id);
  if (value == a || value == b) return Done{};
  return invalid(settings, id, "`" + std::string(a) + "` or `" + std::string(b) + "`");
}

bool is_lost(const Resolution& answer) {
  return answer.kind == Resolution::Kind::kSnapshotLost;
}
bool is_lost(const Resolver::Listing& answer) {
  return answer.snapshot_lost;
}

void sign(Resolution& answer, const View& by, std::uint64_t begun) {
  answer.authority = by.authority;
  answer.asked_at = by.generation();
  answer.begun = begun;
}
void sign(Resolver::Listing&, const View&, std::uint64_t) {}

template <class Answer>
Answer refusal(const std::string& why) {
  if constexpr (std::is_same_v<Answer, Resolver::Listing>) {
    Resolver::Listing nothing;
    nothing.unknown = why;
    return nothing;
  } else {
    return Resolution::answer(Resolution::Kind::kRefused, why);
  }
}

}  // namespace

Result<std::unique_ptr<ProcessState>> ProcessState::create(const Settings& settings, AroundWait around_wait,
                                                           std::shared_ptr<LoadedModules> loaded,
                                                           std::shared_ptr<LastReads> last_reads, CodeTag tag) {
  auto workspace = workspace_of(settings);
  if (!workspace) return workspace.error();
  auto trust = trust_of(settings);
  if (!trust) return trust.error();
  if (const Status s = check_choice(settings, Setting::kPrecedence, "workspace", "installed"); !s) return s.error();
  if (const Status s = check_choice(settings, Setting::kComplete, "1", "0"); !s) return s.error();
  if (const Status s = check_choice(settings, Setting::kOnStale, "serve", "error"); !s) return s.error();
  if (const Status s = check_choice(settings, Setting::kTelemetry, "on", "off"); !s) return s.error();
  return std::unique_ptr<ProcessState>(new ProcessState(settings, std::move(*workspace), *trust, std::move(around_wait),
                                                        std::move(loaded), std::move(last_reads), tag));
}

Result<bool> ProcessState::is_disabled(const Settings& settings) {
  if (const Status s = check_choice(settings, Setting::kDisable, "1", "0"); !s) return s.error();
  return settings.get(Setting::kDisable) == "1";
}

ProcessState::ProcessState(const Settings& settings, std::string workspace, Trust trust, AroundWait around_wait,
                           std::shared_ptr<LoadedModules> loaded, std::shared_ptr<LastReads> last_reads, CodeTag tag)
    : settings_(settings),
      workspace_(std::move(workspace)),
      around_wait_(std::move(around_wait)),
      telemetry_(settings.get(Setting::kSegmentDir), settings.get(Setting::kTelemetry) != "off"),
      presence_(settings.get(Setting::kSegmentDir), settings.get(Setting::kTelemetry) != "off"),
      mirror_(settings.get(Setting::kSegmentDir), trust, counters_),
      agent_(settings.get(Setting::kSegmentDir)),
      last_reads_(std::move(last_reads)),
      redis_(settings.get(Setting::kRedisUrl), around_wait_, counters_, *last_reads_),
      store_(settings.get(Setting::kComplete) != "0", counters_),
      loaded_(std::move(loaded)),
      tag_(tag) {
  watch_forks();
}

std::optional<std::string> ProcessState::storage_of(std::string_view file_path) const {
  std::string spelled;
  if (may_be_indirect(file_path)) file_path = spelled = direct(file_path);
  if (file_path.substr(0, workspace_.size()) != workspace_) return std::nullopt;
  file_path.remove_prefix(workspace_.size());
  if (file_path.empty()) return std::string();
  if (file_path.front() != '/') return std::nullopt;
  file_path.remove_prefix(1);
  while (!file_path.empty() && file_path.back() == '/') file_path.remove_suffix(1);
  return std::string(file_path);
}

std::string ProcessState::file_of(std::string_view storage_path) const {
  return join_node(workspace_, storage_path);
}

void ProcessState::take_execution_of(ProcessState& before) {
  const std::scoped_lock lock(mutex_, before.mutex_);
  pin_ = before.pin_;
  if (pin_ != nullptr) {
    // Loaders go on to read by the state before: what that takes, and this one, is as of two processes.
    auto taken_over = std::make_shared<View>(*pin_);
    taken_over->place.process = pin_->execution->add_process();
    pin_ = std::move(taken_over);
  }
  entered_ = before.entered_;
  lost_notice_ = before.lost_notice_;
  stale_execution_ = before.stale_execution_.load();
  stale_noticed_ = before.stale_noticed_.load();
}

ExecutionStart ProcessState::begin(const ExecutionRequest& request) {
  telemetry_.report_if_due(counters_);  // what executions before this one have counted
  const std::shared_ptr<View> view = view_for_execution(request, sources());
  view->settled = nothing_settled();
  ExecutionStart start{view};
  redis_.forget_index();
  if (start.view->authority == Authority::kStale && serves_stale()) stale_execution_ = true;
  {
    const std::lock_guard lock(mutex_);
    start.same_scope = request.scope == (pin_ ? pin_->scope : Scope());
    start.refused = !start.same_scope && !entered_.empty();
    if (start.refused) return start;
    view->execution = executions_.next();
    settle_entered();
    ++begun_;
    start.before = std::exchange(pin_, view);
    settled_outside_.reset();
    lost_notice_.clear();
    ++comparing_;
  }
  presence_.say(*start.view);
  if (loaded_->empty() && !any_entered()) loaded_->forget_asked();  // none of those who asked would be evicted
  try {
    start.loaded_is_current = start.same_scope ? still_stands_in(*start.view) : loaded_->empty();
  } catch (...) {
    take_back(start);
    end_comparison(true);
    throw;
  }
  // What they have taken is the same in this view, and so is what they will take.
  const bool same_place = start.before != nullptr && view->shows_what(*start.before);
  end_comparison(start.loaded_is_current && (view->authority == Authority::kMirror || same_place));
  return start;
}

void ProcessState::end_comparison(bool entered_go_on_whole) {
  const std::lock_guard lock(mutex_);
  if (!entered_go_on_whole) {
    for (const auto& entered : entered_) entered->tear();
    for (const auto& ended : ended_meanwhile_) ended->tear();
  }
  if (comparing_ > 0) --comparing_;  // or this is a fork
  if (comparing_ == 0) ended_meanwhile_.clear();
}

void ProcessState::take_back(const ExecutionStart& start) {
  {
    const std::lock_guard lock(mutex_);
    if (pin_ != start.view) return;
    pin_ = start.before;
  }
  if (start.before != nullptr) presence_.say(*start.before);
}

bool ProcessState::enter(const Scope& scope, std::shared_ptr<SharedExecution> execution, Generation began_at) {
  const std::lock_guard lock(mutex_);
  if (pin_ == nullptr || pin_->scope != scope) return false;
  const bool is_present = pin_->execution == execution;
  const bool is_same = pin_->authority == Authority::kMirror && pin_->generation() == began_at;
  if (!is_present && !is_same) execution->tear();
  entered_.push_back(std::move(execution));
  return true;
}

void ProcessState::end(const SharedExecution& execution) {
  const auto is_this = [&](const auto& entered) { return entered.get() == &execution; };
  const std::lock_guard lock(mutex_);
  settle_entered();
  const auto found = std::ranges::find_if(entered_, is_this);
  if (found == entered_.end()) return;
  if (comparing_ > 0) ended_meanwhile_.push_back(*found);
  entered_.erase(found);
}

bool ProcessState::intact(const SharedExecution& execution) {
  const std::lock_guard lock(mutex_);
  settle_entered();
  return execution.intact();
}

void ProcessState::settle_entered() {
  if (pin_ == nullptr || pin_->execution->intact()) return;
  for (const auto& entered : entered_) entered->tear();
}

bool ProcessState::any_entered() {
  const std::lock_guard lock(mutex_);
  return !entered_.empty();
}

std::shared_ptr<const View> ProcessState::pinned_view() {
  const std::lock_guard lock(mutex_);
  return pin_;
}

std::shared_ptr<const View> ProcessState::view() {
  if (std::shared_ptr<const View> pinned = pinned_view()) return pinned;
  const std::shared_ptr<View> view = view_outside_executions(sources());
  if (store_.has_store()) {
    const std::lock_guard lock(mutex_);
    if (settled_outside_ == nullptr) settled_outside_ = nothing_settled();
    view->settled = settled_outside_;
  }
  return view;
}

std::shared_ptr<SettledNames> ProcessState::nothing_settled() const {
  return store_.has_store() ? std::make_shared<SettledNames>() : nullptr;
}

void ProcessState::ask_of(std::shared_ptr<WholeStore> store) {
  store_.ask_of(std::move(store));
  const std::lock_guard lock(mutex_);
  settled_outside_.reset();
  if (pin_ == nullptr) return;
  auto next = std::make_shared<View>(*pin_);
  next->settled = nothing_settled();
  pin_ = std::move(next);
}

bool ProcessState::is_open(const Resolution& resolution) const {
  if (resolution.kind == Resolution::Kind::kUnsettled) return true;
  if (!store_.has_store() || !store_.redis_is_complete()) return false;
  return resolution.kind == Resolution::Kind::kNotFound || resolution.kind == Resolution::Kind::kUnknown;
}

Scope ProcessState::scope() {
  const std::lock_guard lock(mutex_);
  return pin_ ? pin_->scope : Scope();
}

Result<Generation> ProcessState::wait_fresh(const Deadline& deadline) {
  return fenced_generation(deadline, sources());
}

// What `ask(view)` answers, a Resolution or a Listing, by a view in which nothing was gone.
template <class Ask>
auto ProcessState::with_whole_view(const Ask& ask) {
  using Answer = decltype(ask(std::declval<const View&>()));
  std::shared_ptr<const View> now;
  const std::uint64_t begun = begun_;
  std::uint64_t moves = 0;
  const auto signed_by = [&moves, begun](const View& by, Answer answer) {
    sign(answer, by, begun);
    answer.moves = moves;
    return answer;
  };
  for (int attempt = 0; attempt < kMaxViewsPerLookup; ++attempt) {
    moves = moves_;  // before the view
    now = view();
    if (!now->why_refused.empty()) return signed_by(*now, refusal<Answer>(now->why_refused));
    if (auto why = take_beside_others(*now)) return signed_by(*now, refusal<Answer>(*why));
    Answer answer = ask(*now);
    if (!is_lost(answer)) return signed_by(*now, std::move(answer));
    if (auto why = renew(now)) return signed_by(*now, refusal<Answer>(*why));
  }
  View redis_only;
  redis_only.scope = now->scope;
  redis_only.settled = now->settled;
  redis_only.why_not_mirror =
      "parts of the segment cannot be read: the agent gives memory back faster than this process looks, or this "
      "process can map no more (ulimit -n, ulimit -v)";
  const auto refused = now->pinned ? lose(*now, redis_only.why_not_mirror, "what Redis holds") : std::nullopt;
  return signed_by(redis_only, refused ? refusal<Answer>(*refused) : ask(redis_only));
}

// What was noted of `answer` may have to be another: see check_taken().
Resolution ProcessState::checked(Resolution answer) {
  if (auto why = check_taken(answer.moves)) {
    return Resolution::answer(Resolution::Kind::kRefused, std::move(*why));
  }
  return answer;
}

void ProcessState::count(const Resolution& resolution) {
  switch (resolution.kind) {
    case Resolution::Kind::kUnsettled: break;  // counted by what comes of it
    case Resolution::Kind::kNotFound: counters_.add(ShimCounter::kMisses); break;
    case Resolution::Kind::kUnknown: counters_.add(ShimCounter::kUnknown); break;
    case Resolution::Kind::kRefused: counters_.add(ShimCounter::kRefused); break;
    default: counters_.add(ShimCounter::kHits);
  }
}

Resolution ProcessState::resolve(std::span<const std::string> directories, std::string_view name, Asking asking) {
  Resolution found =
      with_whole_view([&](const View& view) { return resolver().resolve(view, directories, name, asking); });
  if (asking == Asking::kNobody && is_open(found)) return found;
  // A module that goes by the absence of another must not outlive it.
  if (!found.found()) {
    loaded_->note_absent(directories, name, found);
    found = checked(std::move(found));
  }
  count(found);
  return found;
}

std::optional<std::string> ProcessState::leave_to_others(std::span<const std::string> directories,
                                                         std::string_view name, std::uint64_t moves) {
  loaded_->note_absent(directories, name, Resolution());
  counters_.add(ShimCounter::kMisses);
  return check_taken(moves);
}

Resolution ProcessState::look_at_path(ModulePathView path) {
  return with_whole_view([&](const View& view) { return resolver().read_path(view, path); });
}

Resolution ProcessState::find_path(ModulePathView path) {
  Resolution found = with_whole_view([&](const View& view) { return resolver().find_path(view, path); });
  loaded_->note_sought(path.text(), file_digest(found));
  found.asked_path = path.text();
  return checked(std::move(found));
}

Resolution ProcessState::read_path(ModulePathView path) {
  Resolution found = look_at_path(path);
  loaded_->note_read(path.text(), file_digest(found));
  return checked(std::move(found));
}

std::optional<std::string> ProcessState::content_of(const Resolution& module) {
  std::string content;
  const Lookup read = module.source.read(content);
  if (read == Lookup::kHit) return content;
  if (read == Lookup::kDamaged) counters_.add(ShimCounter::kDamaged);
  if (!module.path) return std::nullopt;
  // Its memory is gone: the same version may have moved, or the newest one may be the same.
  for (const bool at_newest : {false, true}) {
    const Resolution again = at_newest ? read_again(*module.path) : look_at_path(*module.path);
    if (again.found() && again.source.digest == module.source.digest && again.source.read(content) == Lookup::kHit) {
      return content;
    }
  }
  return std::nullopt;
}

Resolution ProcessState::read_again(ModulePathView path) {
  return nodes().read_again(mirror_.newest_segment().get(), path);
}

Result<std::vector<Child>> ProcessState::list(const std::string& directory) {
  Resolver::Listing listing = with_whole_view([&](const View& view) { return resolver().list(view, directory); });
  loaded_->note_listing(directory, listing_digest(listing));
  if (!listing.unknown.empty()) return Error{ErrorCode::kUnreachable, listing.unknown};
  if (auto why = check_taken(listing.moves)) return Error{ErrorCode::kUnreachable, std::move(*why)};
  return std::move(listing.children);
}

bool ProcessState::still_stands_in(const View& view) {
  const std::uint64_t version = loaded_->version();
  {
    const std::lock_guard lock(mutex_);
    if (standing_.holds_in(view, version)) return true;
  }
  Comparison comparison(view, *loaded_, nodes(), store_, redis_);
  if (!comparison.finds_everything_the_same()) return false;
  auto witnessed = comparison.take_witnesses();
  const std::lock_guard lock(mutex_);
  standing_ = witnessed ? Standing(view, version, std::move(*witnessed)) : Standing();
  return true;
}

bool ProcessState::finds_the_same(const std::string& name, const LoadedModule& found) {
  return Comparison(*view(), *loaded_, nodes(), store_, redis_).finds_the_same(name, found);
}

void ProcessState::before_fork() {
  mutex_.lock();
  if (pin_ != nullptr) fork_ = pin_->execution->add_process();
  telemetry_.lock_for_fork();
  store_.lock_for_fork();
  mirror_.lock_for_fork();
  agent_.lock_for_fork();
  redis_.lock_for_fork();
}

void ProcessState::after_fork_in_parent() {
  redis_.unlock_after_fork();
  agent_.unlock_after_fork();
  mirror_.unlock_after_fork();
  store_.unlock_after_fork();
  telemetry_.unlock_after_fork();
  mutex_.unlock();
}

void ProcessState::after_fork_in_child() {
  redis_.start_anew_in_child();
  agent_.start_anew_in_child();
  mirror_.unlock_after_fork();
  store_.unlock_after_fork();
  counters_.start_anew();
  telemetry_.start_anew_in_child();
  presence_.start_anew_in_child();
  comparing_ = 0;
  ended_meanwhile_.clear();
  entered_.clear();  // the threads that would end them are not here
  if (pin_ != nullptr) {
    auto inherited = std::make_shared<View>(*pin_);
    inherited->place.process = fork_;
    pin_ = std::move(inherited);
  }
  mutex_.unlock();
}

bool ProcessState::take_stale_notice() {
  const bool stale = stale_execution_ || counters_.get(ShimCounter::kStaleServes) != 0;
  return stale && !stale_noticed_ && !stale_noticed_.exchange(true);
}

}  // namespace bifrost
