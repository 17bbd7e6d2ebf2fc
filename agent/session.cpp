#include "agent/session.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "agent/keyspace_flags.hpp"
#include "agent/log.hpp"
#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kScanCount = "1000";
constexpr std::size_t kScanBacklog = 20'000;  // waiting paths above which no further page is asked for
constexpr std::size_t kMaxQueue = 2'000'000;  // distinct waiting paths; beyond it, start over
constexpr std::size_t kMaxBatchPaths = 128;
constexpr std::uint64_t kBatchBytes = 4u << 20;  // aimed at, by the running estimate
constexpr std::size_t kMaxBatchesInFlight = 4;
constexpr milliseconds kGroupPatience{50};  // how long a group may wait for a quiet moment
constexpr milliseconds kPongPatience{5000};
constexpr milliseconds kDataPatience{15'000};
constexpr milliseconds kDataKeepAlive{
    5000};  // a server with `timeout` set closes idle connections, but not subscribed ones
constexpr milliseconds kFencePatience{5000};
constexpr milliseconds kStarvedRetry{5000};

nanoseconds lasted(BootTime since) {
  return boot_now().since(since);
}
std::uint64_t ms(nanoseconds d) {
  return static_cast<std::uint64_t>(d.count() / 1'000'000);
}

// `field:value` of an INFO reply.
std::string info_field(std::string_view info, std::string_view field) {
  const std::string needle = "\n" + std::string(field) + ":";
  const auto at = info.find(needle);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = info.substr(at + needle.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

bool version_at_least(std::string_view version, int major, int minor) {
  int have_major = 0;
  int have_minor = 0;
  if (std::sscanf(std::string(version).c_str(), "%d.%d", &have_major, &have_minor) != 2) return true;
  return have_major > major || (have_major == major && have_minor >= minor);
}

}  // namespace

Session::Session(uv_loop_t* loop, const SessionOptions& options, SegmentWriter& writer, Mirror& mirror,
                 Callbacks callbacks)
    : loop_(loop),
      options_(options),
      writer_(writer),
      mirror_(mirror),
      callbacks_(std::move(callbacks)),
      started_(boot_now()) {
  data_ = std::make_unique<DataConnection>(
      loop_, options_.url, [this] { check_server(); }, [this](const std::string& why) { end("data: " + why); });
  tick_ = std::make_unique<Timer>(loop_, [this] { on_tick(); });
}

Session::~Session() {
  for (Waiter& w : std::exchange(waiters_, {})) {
    w.on_fence(Error{ErrorCode::kUnreachable, "the agent lost its connection to Redis"});
  }
}

// From here on the session does nothing more, whatever still arrives before it is destroyed.
void Session::end(const std::string& why) {
  if (std::exchange(ended_, true)) return;
  phase_ = Phase::kConnecting;
  callbacks_.on_broken(why);
}

// --- Setting up ------------------------------------------------------------------------------------------------

void Session::check_server() {
  data_->ask({"INFO"}, [this](const redisReply& reply, const std::string&) {
    const std::string_view info = text_of(reply);  // an error when INFO is not allowed: then nothing is known
    if (!is_error(reply)) {
      const std::string version = info_field(info, "redis_version");
      if (!version_at_least(version, 6, 2)) {
        return end("Redis " + version + " is too old: client tracking works from 6.2 on");
      }
      if (info_field(info, "cluster_enabled") == "1") {
        return end("this is a Redis Cluster node, and clusters are not supported: point the agent at a single master");
      }
    }
    enable_notifications();
  });
}

void Session::enable_notifications() {
  if (options_.signal == SignalChoice::kTracking) return open_stream(false);
  data_->ask({"CONFIG", "GET", "notify-keyspace-events"}, [this](const redisReply& reply, const std::string&) {
    const auto pair = elements_of(reply);
    if (pair.size() != 2) {
      log::info("notifications", {{"enabled", "unknown"}, {"why", "CONFIG GET is not allowed"}});
      // Whoever asks for them by name vouches for the server's configuration.
      return open_stream(options_.signal == SignalChoice::kKeyspace || options_.signal == SignalChoice::kBoth);
    }
    const std::string before(text_of(*pair[1]));
    const auto wanted = flags_to_set(before);
    if (!wanted) return open_stream(true);
    data_->ask({"CONFIG", "SET", "notify-keyspace-events", *wanted},
               [this, before, wanted = *wanted](const redisReply& set, const std::string&) {
                 if (is_error(set)) {
                   log::warn("notifications", {{"enabled", "no"}, {"flags", before}, {"why", text_of(set)}});
                 } else {
                   log::info("notifications_enabled", {{"flags_before", before}, {"flags", wanted}});
                 }
                 open_stream(!is_error(set));
               });
  });
}

void Session::open_stream(bool keyspace_enabled) {
  ChangeStream::Callbacks callbacks;
  callbacks.on_live = [this] {
    log::info("subscribed", {{"keyspace", stream_->keyspace() ? "yes" : "no"},
                             {"tracking", stream_->tracking() ? "yes" : "no"},
                             {"redis", options_.url.display()}});
    tick_->every(std::max(milliseconds(10), options_.lease / 4));
    begin_sync();
  };
  callbacks.on_module = [this](std::string_view path, RefreshQueue::Doubt doubt) {
    ++position_.value;
    writer_.count(Counter::kEvents);
    mark(path, doubt);
  };
  callbacks.on_index = [this] {
    ++position_.value;
    writer_.count(Counter::kEvents);
    mirror_.for_each_retained([this](const std::string& path) { mark(path); });
    // A path whose key is gone may still have been listed when it was read, and is not known as retained yet.
    queue_.mark_in_flight(position_);
  };
  callbacks.on_everything = [this] {
    log::warn("redis_reset", {{"why", "Redis says that everything may have changed: reading it again"}});
    if (!ended_) begin_sync();
  };
  callbacks.on_pong = [this] {
    fences_.answered(position_);
    writer_.count(Counter::kFences);
  };
  callbacks.on_drained = [this] {
    if (phase_ != Phase::kConnecting) advance();
  };
  callbacks.on_broken = [this](const std::string& why) { end("subscription: " + why); };
  callbacks.on_ignored = [this] { writer_.count(Counter::kEventsIgnored); };
  stream_ =
      std::make_unique<ChangeStream>(loop_, options_.url, options_.signal, keyspace_enabled, std::move(callbacks));
}

// --- Synchronising ---------------------------------------------------------------------------------------------

void Session::begin_sync() {
  writer_.revoke_lease();
  writer_.count(Counter::kResyncs);
  phase_ = Phase::kScanning;
  show_state();
  begin_scan(ScanKind::kEverything);
}

void Session::resync(bool prune) {
  prune_after_sync_ = prune_after_sync_ || prune;
  if (phase_ != Phase::kConnecting) begin_sync();
}

void Session::begin_scan(ScanKind kind) {
  scan_kind_ = kind;
  scan_started_ = boot_now();
  mirror_.begin_scan();
  scan_cursor_ = "0";
  if (std::exchange(scan_running_, true)) return;  // the page on its way goes on as the first of the new scan
  next_scan_page();
}

void Session::next_scan_page() {
  const std::string cursor = std::exchange(scan_cursor_, {});
  data_->ask({"SCAN", cursor, "MATCH", std::string(contract::kPrefix) + "*", "COUNT", kScanCount},
             [this](const redisReply& page, const std::string&) { on_scan_page(page); });
}

void Session::on_scan_page(const redisReply& page) {
  if (ended_) return;
  const auto parts = elements_of(page);
  if (parts.size() != 2) return end("SCAN was refused: " + std::string(text_of(page)));
  ++position_.value;
  for (const redisReply* element : elements_of(*parts[1])) {
    const std::string_view key = text_of(*element);
    if (contract::classify(key) != contract::KeyClass::kModule) continue;
    const bool doubtful = mirror_.note_seen(contract::path_of(key));
    if (doubtful || scan_kind_ == ScanKind::kEverything) mark(contract::path_of(key));
  }
  // A scan that was started over meanwhile has put its own cursor here.
  if (scan_cursor_.empty()) {
    const std::string_view next = text_of(*parts[0]);
    if (next == "0") {
      finish_scan();
    } else {
      scan_cursor_ = next;
    }
  }
  advance();
}

void Session::finish_scan() {
  scan_running_ = false;
  ++position_.value;
  mirror_.for_each_unseen([this](const std::string& path) { mark(path); });
  if (scan_kind_ == ScanKind::kEverything) {
    mirror_.for_each_retained([this](const std::string& path) { mark(path); });
  }
  sync_end_ = position_;
  if (phase_ == Phase::kScanning) phase_ = Phase::kReading;
}

// --- Following -------------------------------------------------------------------------------------------------

void Session::mark(std::string_view path, RefreshQueue::Doubt doubt) {
  if (path.size() > layout::kMaxKeyBytes) return writer_.count(Counter::kBadPaths);
  queue_.mark(path, position_, doubt);
}

// Every input ends here; each step does what the steps before have made possible.
void Session::advance() {
  if (ended_) return;
  if (queue_.waiting() > kMaxQueue) return end("too many changes at once");
  read_more();
  move_phase();
  commit_when_whole();
  move_phase();
  publish_freshness();
  fence_when_due();
}

void Session::read_more() {
  while (batches_in_flight_ < kMaxBatchesInFlight && queue_.waiting() != 0) {
    const std::size_t paths = std::clamp<std::size_t>(kBatchBytes / bytes_per_value_, 1, kMaxBatchPaths);
    const auto batch = std::make_shared<Reread>(queue_.take(paths), options_.max_module_bytes);
    batch->send([this](const Command& command) { data_->send(command); });
    data_->expect(batch->commands_before_exec(),
                  [this, batch](const redisReply& exec, const std::string& error) { on_batch(*batch, exec, error); });
    ++batches_in_flight_;
  }
  if (scan_running_ && !scan_cursor_.empty() && queue_.waiting() < kScanBacklog) next_scan_page();
}

void Session::on_batch(const Reread& batch, const redisReply& exec, const std::string& queue_error) {
  if (ended_) return;
  --batches_in_flight_;
  std::uint64_t bytes = 0;
  const Status read = batch.read(exec, [&](const Observation& seen) {
    bytes += seen.value.size();
    mirror_.apply(seen);
  });
  if (!read) return end(queue_error.empty() ? read.error().message : queue_error);
  queue_.finish_oldest_batch();
  last_applied_ = boot_now();
  if (writer_.has_staged() && staged_since_.ns == 0) staged_since_ = last_applied_;
  // Half old, half new: one giant module must not shrink every batch for long, nor go unnoticed.
  bytes_per_value_ = std::max<std::uint64_t>(256, (bytes_per_value_ + bytes / batch.paths().size()) / 2);
  advance();
}

void Session::move_phase() {
  if (phase_ == Phase::kReading && queue_.oldest_pending() > sync_end_) {
    phase_ = Phase::kSettling;
    staged_since_ = writer_.has_staged() ? boot_now() : BootTime{};  // patience counts from here
  }
  if (phase_ == Phase::kSettling && !writer_.has_staged()) {
    if (std::exchange(prune_after_sync_, false)) mirror_.prune_retained();
    phase_ = Phase::kLive;
    show_state();
    log::info("synced", {{"modules", writer_.modules()},
                         {"not_mirrored", writer_.not_mirrored()},
                         {"generation", writer_.generation().value},
                         {"ms", ms(lasted(scan_started_))}});
    callbacks_.on_synced();
  }
}

void Session::commit_when_whole() {
  if (!writer_.has_staged() || (phase_ != Phase::kSettling && phase_ != Phase::kLive)) return;
  // Whole: nothing is pending after a fence that was sent after the last re-read. A re-read may have seen one half of
  // a group whose other half is announced later; had there been such a group, the fence would have brought it.
  if (queue_.idle()) {
    if (fences_.last_answered() >= last_applied_ && fences_.last_answered().ns != 0) commit();
    return;
  }
  if (staged_since_.ns != 0 && lasted(staged_since_) > kGroupPatience) {
    writer_.count(Counter::kGroupGiveups);
    commit();
  }
}

void Session::commit() {
  const auto committed = writer_.commit();
  if (!committed) return callbacks_.on_fatal(committed.error().message);
  staged_since_ = {};
  log::debug("commit", {{"generation", committed->value}});
}

void Session::publish_freshness() {
  if (phase_ != Phase::kLive || writer_.has_staged()) return;
  const auto fulfilled = fences_.take_fulfilled(queue_.oldest_pending());
  if (!fulfilled) return;
  if (writer_.starved()) return;  // an old version may still be visible: no promises
  show_state();                   // a cold or crowded mirror may have become so without a commit
  writer_.publish_sync(*fulfilled, *fulfilled + options_.lease);
  const FenceAnswer answer{writer_.generation(), *fulfilled};
  std::vector<Waiter> waiting;
  for (Waiter& w : std::exchange(waiters_, {})) {
    if (w.since <= *fulfilled) {
      w.on_fence(answer);
    } else {
      waiting.push_back(std::move(w));
    }
  }
  for (Waiter& w : waiting) waiters_.push_back(std::move(w));
}

void Session::fence_when_due() {
  if (phase_ == Phase::kConnecting || fences_.in_flight()) return;
  const BootTime last = fences_.last_sent();
  const bool group_waits = writer_.has_staged() && queue_.idle() && last < last_applied_;
  const bool asked = std::any_of(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return last < w.since; });
  const bool due = lasted(last) >= options_.lease / 4;
  if (!group_waits && !asked && !due) return;
  fences_.sent(boot_now());
  stream_->ping();
}

void Session::fence(OnFence on_fence) {
  writer_.count(Counter::kFenceRequests);
  if (phase_ != Phase::kLive) {
    return on_fence(Error{ErrorCode::kBusy, "the agent is still synchronising with Redis"});
  }
  waiters_.push_back({boot_now(), std::move(on_fence)});
  fence_when_due();
}

void Session::on_tick() {
  if (ended_) return;
  const BootTime now = boot_now();
  if (const auto ping = fences_.in_flight(); ping && now.since(*ping) > kPongPatience) {
    return end("no PONG within " + std::to_string(kPongPatience.count()) + " ms");
  }
  if (data_->silent_for(now) > kDataPatience) return end("no answer on the data connection");
  if (data_->idle_for(now) > kDataKeepAlive) data_->ask({"PING"}, [](const redisReply&, const std::string&) {});
  std::vector<Waiter> waiting;
  for (Waiter& w : std::exchange(waiters_, {})) {
    if (now.since(w.since) > kFencePatience) {
      w.on_fence(Error{ErrorCode::kTimeout, "Redis did not answer a fence in time"});
    } else {
      waiting.push_back(std::move(w));
    }
  }
  for (Waiter& w : waiting) waiters_.push_back(std::move(w));
  if (phase_ == Phase::kLive && writer_.starved() && lasted(scan_started_) > kStarvedRetry) {
    writer_.forget_starvation();
    begin_sync();
  } else if (phase_ == Phase::kLive && !scan_running_ && lasted(scan_started_) > options_.reconcile) {
    begin_scan(ScanKind::kNamesOnly);
  }
  advance();
}

void Session::show_state() {
  LinkState state;
  state.redis_connected = true;
  state.complete = phase_ == Phase::kLive;
  state.signals = (stream_->keyspace() ? static_cast<std::uint64_t>(layout::Signal::kKeyspace) : 0) |
                  (stream_->tracking() ? static_cast<std::uint64_t>(layout::Signal::kTracking) : 0);
  state.state = phase_ != Phase::kLive                             ? layout::AgentState::kSyncing
                : writer_.starved() || writer_.without_room() != 0 ? layout::AgentState::kDegraded
                : mirror_.cold()                                   ? layout::AgentState::kCold
                                                                   : layout::AgentState::kLive;
  writer_.set_link_state(state);
}

}  // namespace bifrost::agent
