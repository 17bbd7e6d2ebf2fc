#include "agent/follow/session.hpp"

#include <algorithm>
#include <utility>

#include "agent/follow/notification_setup.hpp"
#include "agent/loop/log.hpp"
#include "common/base/mutation.hpp"
#include "common/redis/contract.hpp"
#include "common/redis/sentinel.hpp"

namespace bifrost::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kScanCount = "1000";
constexpr std::size_t kScanBacklog = 20'000;  // waiting paths above which no further page is asked for
constexpr std::size_t kMaxBatchPaths = 128;
constexpr std::uint64_t kBatchBytes = 4u << 20;
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

}  // namespace

Session::Session(uv_loop_t* loop, const SessionOptions& options, SegmentWriter& writer, Mirror& mirror,
                 LastContact& contact, Callbacks callbacks)
    : loop_(loop),
      options_(options),
      writer_(writer),
      mirror_(mirror),
      contact_(contact),
      callbacks_(std::move(callbacks)) {
  data_ = std::make_unique<DataConnection>(
      loop_, options_.url, [this] { check_server(); }, [this](const std::string& why) { end("data: " + why); });
  tick_ = std::make_unique<Timer>(loop_, [this] { on_tick(); });
}

Session::~Session() {
  waiters_.answer_up_to(boot_now(), Error{ErrorCode::kUnreachable, "the agent lost its connection to Redis"});
}

// From here on the session does nothing more, whatever still arrives before it is destroyed.
void Session::end(const std::string& why) {
  if (std::exchange(ended_, true)) return;
  phase_ = Phase::kConnecting;
  callbacks_.on_broken(why);
}

// --- Setting up ------------------------------------------------------------------------------------------------

void Session::check_server() {
  ServerWatch::Callbacks callbacks;
  callbacks.on_unusable = [this](const std::string& why) { end(why); };
  callbacks.on_swept = [this](Sweep sweep) {
    contact_.facts = watch_->facts();
    if (ended_ || mutated("no-canary")) return;
    const bool reset = sweep == Sweep::kReset;
    log::warn("redis_swept",
              {{"why", std::string(reset ? kResetCommands : "SWAPDB") + " was executed: reading everything again"}});
    if (reset) mirror_.lose_index();
    begin_sync();
  };
  callbacks.on_clean = [this] {
    contact_.facts = watch_->facts();
    give_lease();
  };
  watch_ = std::make_unique<ServerWatch>(*data_, std::move(callbacks));
  watch_->begin([this](const ServerFacts& facts) {
    if (!version_at_least(facts.version, 6, 2)) {
      return end("Redis " + facts.version + " is too old: client tracking works from 6.2 on");
    }
    if (facts.cluster) {
      return end("this is a Redis Cluster node, and clusters are not supported: point the agent at a single master");
    }
    if (options_.url.transport == RedisUrl::Transport::kSentinel && facts.is_replica()) {
      return end(kNamedAReplica);
    }
    note_losses(facts);
    set_up_notifications(*data_, options_.signal,
                         [this](Notifications n) { open_stream(n != Notifications::kOff, n == Notifications::kOn); });
  });
}

// Before anything is read. What the server does not have and nothing says was lost has been deleted.
void Session::note_losses(const ServerFacts& facts) {
  const auto why = lost_since(contact_, facts, boot_now());
  contact_.facts = facts;
  if (!why || mirror_.known() == 0) return;
  log::warn("redis_lost_its_data", {{"why", *why}, {"then", "what it does not list is kept"}});
  mirror_.lose_index();
}

void Session::open_stream(bool keyspace_enabled, bool flags_visible) {
  ChangeStream::Callbacks callbacks;
  callbacks.on_live = [this, flags_visible] {
    if (flags_visible && stream_->keyspace()) watch_->watch_flags();
    log::info("subscribed", {{"keyspace", stream_->keyspace() ? "yes" : "no"},
                             {"tracking", stream_->tracking() ? "yes" : "no"},
                             {"redis", options_.url.display()}});
    tick_->every(std::max(milliseconds(10), options_.lease / 4));
    begin_sync();
  };
  callbacks.on_module = [this](ModulePathView path, RefreshQueue::Doubt doubt) {
    ++position_.value;
    writer_.count(Counter::kEvents);
    if (unsettled_since_.ns == 0) unsettled_since_ = boot_now();
    if (mutated("snapshot-before-subscribe") && phase_ != Phase::kLive) return;
    if (mutated("drop-events") && boot_now().ns / 50'000'000 % 8 == 0) return;
    mark(path, doubt);
  };
  callbacks.on_refused = [this](std::string_view path, PathFault why) { mirror_.refuse(path, why); };
  callbacks.on_index = [this] {
    ++position_.value;
    writer_.count(Counter::kEvents);
    mirror_.for_each_retained([this](ModulePathView path) { mark(path, RefreshQueue::Doubt::kGone); });
    // A path whose key is gone may still have been listed when it was read, and is not known as retained yet.
    queue_.mark_in_flight(position_);
  };
  callbacks.on_everything = [this] {
    log::warn("redis_reset", {{"why", "Redis says that everything may have changed: reading it again"}});
    if (ended_) return;
    mirror_.lose_index();
    begin_sync();
  };
  callbacks.on_pong = [this] {
    if (const auto sent = fences_.in_flight()) callbacks_.on_fence_time(lasted(*sent));
    fences_.answered(position_);
    writer_.count(Counter::kFences);
  };
  callbacks.on_drained = [this] {
    if (phase_ != Phase::kConnecting) advance();
  };
  callbacks.on_broken = [this](const std::string& why) { end("subscription: " + why); };
  callbacks.on_ignored = [this] { writer_.count(Counter::kEventsIgnored); };
  stream_ =
      std::make_unique<ChangeStream>(loop_, data_->reached(), options_.signal, keyspace_enabled, std::move(callbacks));
  if (mutated("two-data-connections")) {
    second_ = std::make_unique<DataConnection>(
        loop_, data_->reached(), [] {}, [](const std::string&) {});
  }
}

// --- Synchronising ---------------------------------------------------------------------------------------------

void Session::begin_sync() {
  writer_.revoke_lease();
  synced_through_ = {};
  writer_.forget_shortage();
  writer_.count(Counter::kResyncs);
  phase_ = Phase::kScanning;
  show_state();
  begin_scan(ScanKind::kEverything);
}

void Session::resync(bool prune) {
  if (prune) mirror_.ask_for_prune();
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
    const auto path = contract::path_of(key);
    if (!path) {
      mirror_.refuse(contract::spelled_path_of(key), path.error());
      continue;
    }
    const bool doubtful = mirror_.note_seen(*path);
    if (doubtful || scan_kind_ == ScanKind::kEverything) mark(*path);
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
  mirror_.for_each_unseen([this](ModulePathView path) { mark(path, RefreshQueue::Doubt::kGone); });
  if (scan_kind_ == ScanKind::kEverything) {
    mirror_.for_each_retained([this](ModulePathView path) { mark(path, RefreshQueue::Doubt::kGone); });
  }
  sync_end_ = position_;
  if (phase_ == Phase::kScanning) phase_ = Phase::kReading;
}

// --- Following -------------------------------------------------------------------------------------------------

void Session::mark(ModulePathView path, RefreshQueue::Doubt doubt) {
  queue_.mark(path, position_, doubt);
}

// Every input ends here; each step does what the steps before have made possible.
void Session::advance() {
  if (ended_) return;
  // What is known is in memory anyway, and a scan may mark all of it.
  if (queue_.waiting() > options_.max_pending + mirror_.known()) {
    return end("more than " + std::to_string(options_.max_pending) + " changes wait to be read");
  }
  read_more();
  move_phase();
  commit_when_whole();
  move_phase();
  publish_freshness();
  fence_when_due();
}

void Session::read_more() {
  while (batches_in_flight_ < kMaxBatchesInFlight && queue_.waiting() != 0) {
    std::vector<PendingPath> paths = queue_.take(kMaxBatchPaths, kBatchBytes);
    if (options_.follow_expiry) {
      for (PendingPath& p : paths) p.with_presence = true;  // for the time to live
    }
    const auto batch = std::make_shared<Reread>(std::move(paths), options_.max_module_bytes);
    DataConnection& data = connection_for_batch();
    batch->send([&data](const Command& command) { data.send(command); });
    data.expect(batch->commands_before_exec(),
                [this, batch, sent = boot_now()](const redisReply& exec, const std::string& error) {
                  on_batch(*batch, sent, exec, error);
                });
    ++batches_in_flight_;
    if (mutated("applied-before-read")) queue_.finish_oldest_batch();
  }
  if (scan_running_ && !scan_cursor_.empty() && queue_.waiting() < kScanBacklog) next_scan_page();
}

// One for all, or a read could be overtaken by an older one.
DataConnection& Session::connection_for_batch() {
  if (!second_ || phase_ != Phase::kLive) return *data_;
  return position_.value % 2 == 0 ? *second_ : *data_;
}

void Session::on_batch(const Reread& batch, BootTime sent, const redisReply& exec, const std::string& queue_error) {
  if (ended_) return;
  --batches_in_flight_;
  const Status read =
      batch.read(exec, [&](const PendingPath& asked, const Observation& seen) { on_observation(asked, seen, sent); });
  if (!read) return end(queue_error.empty() ? read.error().message : queue_error);
  if (!mutated("applied-before-read")) queue_.finish_oldest_batch();
  last_applied_ = boot_now();
  if (writer_.has_staged() && staged_since_.ns == 0) staged_since_ = last_applied_;
  advance();
}

void Session::on_observation(const PendingPath& asked, const Observation& seen, BootTime sent) {
  PendingPath again = asked;
  switch (seen.kind) {
    case Observation::Kind::kEmpty:
      again.read = PendingPath::Read::kSmall;
      again.with_presence = true;
      return queue_.read_again(std::move(again));
    case Observation::Kind::kLonger:
      again.read = PendingPath::Read::kMeasure;
      return queue_.read_again(std::move(again));
    case Observation::Kind::kMeasured:
      again.read = PendingPath::Read::kSized;
      again.size_bytes = seen.size_bytes;
      return queue_.read_again(std::move(again));
    default: break;
  }
  if (options_.follow_expiry && !mutated("ttl-ignored")) {
    seen.ttl ? expiries_.set(seen.path, sent + *seen.ttl) : expiries_.forget(seen.path);
  }
  mirror_.apply(seen);
}

void Session::move_phase() {
  if (phase_ == Phase::kReading && queue_.oldest_pending() > sync_end_) {
    phase_ = Phase::kSettling;
    staged_since_ = writer_.has_staged() ? boot_now() : BootTime{};  // patience counts from here
  }
  if (phase_ == Phase::kSettling && !writer_.has_staged()) {
    mirror_.prune_if_asked();
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
    const bool fenced = fences_.last_answered() >= last_applied_ && fences_.last_answered().ns != 0;
    if (fenced || mutated("no-group-fence")) commit();
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
  if (unsettled_since_.ns != 0 && phase_ == Phase::kLive) callbacks_.on_update_delay(lasted(unsettled_since_));
  unsettled_since_ = {};
  log::debug("commit", {{"generation", committed->value}});
}

void Session::publish_freshness() {
  if (phase_ != Phase::kLive || writer_.has_staged()) return;
  if (queue_.idle()) unsettled_since_ = {};  // messages that changed nothing
  auto fulfilled = fences_.take_fulfilled(queue_.oldest_pending());
  if (mutated("no-fence")) fulfilled = boot_now();
  if (!fulfilled) return;
  if (writer_.starved()) return;  // an old version may still be visible: no promises
  show_state();                   // a cold or crowded mirror may have become so without a commit
  synced_through_ = *fulfilled;
  give_lease();
  waiters_.answer_up_to(*fulfilled, FenceAnswer{writer_.generation(), *fulfilled});
}

// What no message tells of is known up to the last look at the server (F3).
void Session::give_lease() {
  if (phase_ != Phase::kLive || synced_through_.ns == 0) return;
  const BootTime vouched = mutated("no-canary") ? synced_through_ : watch_->vouched_until();
  contact_.synced_through = synced_through_;
  writer_.publish_sync(synced_through_, std::min(synced_through_, vouched) + options_.lease);
}

void Session::fence_when_due() {
  if (phase_ == Phase::kConnecting || fences_.in_flight()) return;
  const BootTime last = fences_.last_sent();
  const bool group_waits = writer_.has_staged() && queue_.idle() && last < last_applied_;
  const bool asked = waiters_.any_after(last);
  const bool due = lasted(last) >= options_.lease / 4;
  if (!group_waits && !asked && !due) return;
  if (due || lasted(watch_->vouched_until()) >= options_.lease / 4) watch_->look(stream_->tracking());
  fences_.sent(boot_now());
  stream_->ping();
}

void Session::fence(OnFence on_fence) {
  writer_.count(Counter::kFenceRequests);
  if (phase_ != Phase::kLive) {
    return on_fence(Error{ErrorCode::kBusy, "the agent is still synchronising with Redis"});
  }
  waiters_.add(boot_now(), std::move(on_fence));
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
  waiters_.answer_up_to({now.ns - static_cast<std::uint64_t>(nanoseconds(kFencePatience).count())},
                        Error{ErrorCode::kTimeout, "Redis did not answer a fence in time"});
  expiries_.take_due(now, [this](ModulePathView path) { mark(path); });
  const bool short_of_room = writer_.starved() || writer_.incomplete();
  if (phase_ == Phase::kLive && short_of_room &&
      lasted(scan_started_) > (writer_.starved() ? kStarvedRetry : options_.reconcile)) {
    begin_sync();
  } else if (phase_ == Phase::kLive && !scan_running_ && lasted(scan_started_) > options_.reconcile) {
    begin_scan(ScanKind::kNamesOnly);
  }
  advance();
}

void Session::show_state() {
  const bool short_of_room = writer_.starved() || writer_.incomplete();
  LinkState state;
  state.redis_connected = true;
  state.complete = phase_ == Phase::kLive && !writer_.incomplete();
  state.signals = (stream_->keyspace() ? static_cast<std::uint64_t>(layout::Signal::kKeyspace) : 0) |
                  (stream_->tracking() ? static_cast<std::uint64_t>(layout::Signal::kTracking) : 0);
  state.state = phase_ != Phase::kLive                         ? layout::AgentState::kSyncing
                : short_of_room || writer_.without_room() != 0 ? layout::AgentState::kDegraded
                : mirror_.cold()                               ? layout::AgentState::kCold
                                                               : layout::AgentState::kLive;
  writer_.set_link_state(state);
}

}  // namespace bifrost::agent
