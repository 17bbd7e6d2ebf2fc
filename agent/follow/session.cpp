#include "agent/follow/session.hpp"

#include <algorithm>
#include <utility>

#include "agent/follow/notification_setup.hpp"
#include "agent/loop/log.hpp"
#include "common/redis/sentinel.hpp"

namespace bifrost::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kStarved = "a change waits for room: there is no lease";
constexpr milliseconds kPongPatience{5000};
constexpr milliseconds kDataPatience{15'000};
// A server with `timeout` set closes idle connections, but not subscribed ones.
constexpr milliseconds kDataKeepAlive{5000};
constexpr milliseconds kFencePatience{5000};
constexpr milliseconds kStarvedRetry{5000};
constexpr milliseconds kScanRest{1};
constexpr milliseconds kSentinelsRest{700};  // with ticks of a second, once per second

nanoseconds lasted(BootTime since) {
  return boot_now().since(since);
}
std::uint64_t ms(nanoseconds d) {
  return static_cast<std::uint64_t>(d.count() / 1'000'000);
}

std::string_view command_of(Sweep sweep) {
  switch (sweep) {
    case Sweep::kSwapped: return "SWAPDB";
    case Sweep::kDeaf: return "CONFIG SET";
    default: return kResetCommands;
  }
}

// How often time is looked at. However long the lease is, patience is counted in seconds.
milliseconds tick(const SessionOptions& options) {
  return std::clamp(options.lease / 4, milliseconds(10), milliseconds(1000));
}

// How old freshness may get before it is shown anew, and the look at the server before there is another. The second
// tick of a short lease is beyond it, so that two commands and half of a lease go by from one to the next:
// docs/fleet.md
milliseconds heartbeat(const SessionOptions& options) {
  return std::max(options.lease * 3 / 8, tick(options));
}

}  // namespace

Session::Session(uv_loop_t* loop, const SessionOptions& options, SegmentWriter& writer, Mirror& mirror,
                 LastContact& contact, DeployWatch& deploy, Callbacks callbacks)
    : loop_(loop),
      options_(options),
      writer_(writer),
      mirror_(mirror),
      contact_(contact),
      deploy_(deploy),
      callbacks_(std::move(callbacks)),
      flushes_(mirror),
      rule_(heartbeat(options)),
      scan_(mirror, [this](ModulePathView path, RefreshQueue::Doubt doubt) { mark(path, doubt); }),
      walk_(
          mirror, [this](ModulePathView path, RefreshQueue::Doubt doubt) { mark(path, doubt); },
          [this] { return stream_ != nullptr && stream_->index_emptied(); }),
      losses_(mirror.index_losses()) {
  data_ = std::make_unique<DataConnection>(
      loop_, options_.url, [this] { check_server(); }, [this](const std::string& why) { end("data: " + why); });
  tick_ = std::make_unique<Timer>(loop_, [this] { on_tick(); });
  set_up_ = std::make_unique<Timer>(
      loop_, [this] { end(data_->reached().display() + " has stopped answering before the mirror followed it"); });
  scan_rest_ = std::make_unique<Timer>(loop_, [this] {
    scan_.rested();
    advance();
  });
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
  set_up_->once(kDataPatience);
  ServerWatch::Callbacks callbacks;
  callbacks.on_unusable = [this](const std::string& why) { end(why); };
  callbacks.on_swept = [this](Sweep sweep) { on_swept(sweep); };
  callbacks.on_clean = [this] {
    contact_.facts = watch_->facts();
    give_lease();
  };
  watch_ = std::make_unique<ServerWatch>(*data_, std::move(callbacks));
  watch_->begin([this](const ServerFacts& facts) { on_server_known(facts); });
}

void Session::on_server_known(const ServerFacts& facts) {
  if (ended_) return;
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
  set_up_->once(kDataPatience);
  set_up_notifications(*data_, options_.signal, [this](Notifications n) {
    flags_visible_ = n == Notifications::kOn;
    open_stream(n != Notifications::kOff);
  });
}

// Before anything is read. What the server does not have and nothing says was lost has been deleted.
void Session::note_losses(const ServerFacts& facts) {
  const auto why = lost_since(contact_, facts, boot_now());
  contact_.facts = facts;
  contact_.other_server = false;
  if (!why || mirror_.known() == 0) return;
  log::warn("redis_lost_its_data", {{"why", *why}, {"then", "what it does not list is kept"}});
  mirror_.lose_everything();
  hear_of_loss();
}

void Session::open_stream(bool keyspace_enabled) {
  if (ended_) return;
  ChangeStream::Callbacks callbacks;
  callbacks.on_live = [this] { on_stream_live(); };
  callbacks.on_module = [this](ModulePathView path, RefreshQueue::Doubt doubt) { on_module(path, doubt); };
  callbacks.on_refused = [this](std::string_view path, PathFault why) { mirror_.refuse(path, why); };
  callbacks.on_index = [this](IndexNews news) { on_index(news); };
  callbacks.on_everything = [this] { on_everything(); };
  callbacks.on_deploying = [this] { on_deploying(); };
  callbacks.on_pong = [this] { on_pong(); };
  callbacks.on_mark = [this](std::uint64_t number) { on_mark(number); };
  callbacks.on_drained = [this] {
    if (phase_ != Phase::kConnecting) advance();
  };
  callbacks.on_broken = [this](const std::string& why) { end("subscription: " + why); };
  callbacks.on_ignored = [this] { writer_.count(Counter::kEventsIgnored); };
  set_up_->once(kDataPatience);
  stream_ = std::make_unique<ChangeStream>(loop_, data_->reached(), watch_->facts().run_id, options_.signal,
                                           keyspace_enabled, std::move(callbacks));
  make_rereads();
}

void Session::make_rereads() {
  Rereads::Callbacks callbacks;
  callbacks.on_seen = [this](const Observation& seen, const PendingPath& asked, BootTime sent) {
    on_observation(seen, asked, sent);
  };
  callbacks.on_entry = [this](ModulePathView path, IndexEntry entry) { return on_entry(path, entry); };
  callbacks.on_applied = [this](bool once_more) { on_applied(once_more); };
  callbacks.on_deploying = [this](bool exists) {
    if (!ended_ && deploy_.seen(exists)) show_state();
  };
  callbacks.on_refused = [this](const std::string& why) {
    writer_.count(Counter::kServerRefusals);
    end(data_->reached().display() + " says: " + why);
  };
  rereads_ = std::make_unique<Rereads>(
      *data_, Rereads::Options{options_.max_module_bytes, options_.follow_expiry, stream_->mark_channel()},
      std::move(callbacks));
}

void Session::on_stream_live() {
  if (ended_) return;
  if (flags_visible_ && stream_->keyspace()) watch_->watch_flags();
  log::info("subscribed", {{"keyspace", stream_->keyspace() ? "yes" : "no"},
                           {"tracking", stream_->tracking() ? "yes" : "no"},
                           {"redis", options_.url.display()}});
  set_up_->stop();
  tick_->every(tick(options_));
  begin_sync();
  if (!stream_->marks()) return;
  trial_.begin(
      *data_, stream_->mark_channel(),
      [this] {
        if (ended_) return;
        show_state();
        advance();
      },
      [this] { end("subscription: " + std::string(kAnotherServer)); });
}

// --- Synchronising ---------------------------------------------------------------------------------------------

void Session::begin_sync() {
  writer_.revoke_lease();
  synced_through_ = {};
  writer_.forget_shortage();
  writer_.count(Counter::kResyncs);
  phase_ = Phase::kScanning;
  reading_again_ = lacked_names_ = false;
  show_state();
  walk_.stop();
  shown_through_ = boot_now();  // when the lease is given again
  scan_.begin(shown_through_);
  read_names();
}

void Session::resync(bool prune) {
  if (prune) mirror_.ask_for_prune();
  if (phase_ == Phase::kConnecting) return;
  watch_->ask_for_info_again();
  phase_ == Phase::kLive && !writer_.starved() ? read_again() : begin_sync();
}

// Nothing casts doubt on what is known: somebody only wants it compared. The lease goes on, and changes become
// visible between two pages.
void Session::read_again() {
  writer_.count(Counter::kResyncs);
  reading_again_ = true;
  lacked_names_ |= writer_.incomplete();  // until it is known what there is room for now
  writer_.forget_shortage();
  walk_.stop();
  scan_.begin(boot_now());
  read_names();
}

void Session::on_page(const redisReply& page, BootTime asked) {
  if (ended_) return;
  ++position_.value;
  if (const Status read = scan_.on_page(page, lasted(asked)); !read) return end(read.error().message);
  if (scan_.resting()) scan_rest_->once(kScanRest);
  if (!scan_.running()) {
    sync_end_ = position_;
    if (phase_ == Phase::kScanning) phase_ = Phase::kReading;
  }
  advance();
}

void Session::on_everything() {
  log::warn("redis_reset", {{"why", "Redis says that everything may have changed: reading it again"}});
  if (ended_) return;
  watch_->look(stream_->tracking());  // which may find that databases were swapped
  flushes_.begin(*data_);
  hear_of_loss();
  begin_sync();
}

void Session::on_swept(Sweep sweep) {
  contact_.facts = watch_->facts();
  if (ended_) return;
  if (sweep == Sweep::kDeaf && stream_->tracking()) {
    on_index(IndexNews::kRemoved);  // tracking has told of each key, and does not tell what left the index
    return advance();
  }
  log::warn("redis_swept", {{"why", std::string(command_of(sweep)) + " was executed: reading everything again"}});
  if (sweep == Sweep::kReset) {
    mirror_.lose_everything();
    hear_of_loss();
  }
  if (sweep == Sweep::kSwapped) flushes_.note_swap();
  begin_sync();
}

// --- Following -------------------------------------------------------------------------------------------------

void Session::on_module(ModulePathView path, RefreshQueue::Doubt doubt) {
  // What expires at a master, its replicas announce as deleted.
  if (doubt == RefreshQueue::Doubt::kDeleted && watch_->facts().is_replica()) doubt = RefreshQueue::Doubt::kGone;
  ++position_.value;
  writer_.count(Counter::kEvents);
  rule_.announced(boot_now());
  mark(path, doubt);
}

void Session::on_index(IndexNews news) {
  ++position_.value;
  writer_.count(Counter::kEvents);
  using Doubt = RefreshQueue::Doubt;
  if (news == IndexNews::kLost) {
    writer_.count(Counter::kIndexLosses);
    log::warn("index_lost", {{"then", "modules that it listed are kept until they are written or deleted"}});
    look_for_delisted();  // before they count as listed again
    mirror_.lose_index();
    hear_of_loss();
    mirror_.for_each_leaving([this](ModulePathView path) { mark(path, Doubt::kGone); });
  } else {
    delisted_ = true;
  }
  // A path whose key is gone may still have been listed when it was read, and is not known as retained yet.
  queue().mark_in_flight(position_, news == IndexNews::kLost ? Doubt::kGone : Doubt::kDelisted, read_after_this());
}

// How many of the batches under way: a read whose mark is still to come was executed after the newest message.
std::size_t Session::read_after_this() {
  return chase().awaits_mark() ? 1 : 0;
}

void Session::hear_of_loss() {
  losses_.hear(mirror_.index_losses(), position_, rereads_ ? chase().under_way() - read_after_this() : 0);
  walk_wanted_ = true;
}

// Once for a burst of such messages, before anything goes by what is known up to here.
void Session::look_for_delisted() {
  if (!std::exchange(delisted_, false)) return;
  mirror_.for_each_by_index([this](ModulePathView path) { mark(path, RefreshQueue::Doubt::kDelisted); });
}

bool Session::on_entry(ModulePathView path, IndexEntry entry) {
  if (ended_) return false;
  if (losses_.reads_before() && entry == IndexEntry::kListed) entry = IndexEntry::kUnknown;  // of the lost one
  return mirror_.note_entry(path, as_index(entry));
}

// Without members there is no set.
IndexEntry Session::as_index(IndexEntry entry) const {
  return entry == IndexEntry::kNoIndex && stream_->index_emptied() ? IndexEntry::kUnlisted : entry;
}

// Its key has been set, deleted, or has expired.
void Session::on_deploying() {
  ++position_.value;
  chase().look(position_);
}

// Expiry may be announced late or never, so a deploy is looked at with every tick.
void Session::look_at_deploy() {
  if (!deploy_.exists()) return;
  chase().look(position_);
  if (!deploy_.becomes_overdue()) return;
  writer_.count(Counter::kDeploysOverdue);
  show_state();
}

void Session::on_pong() {
  look_for_delisted();
  walk_wanted_ |= losses_.pong(position_);
  if (const auto sent = rule_.fence_in_flight()) callbacks_.on_fence_time(lasted(*sent));
  rule_.fence_answered(position_);
  writer_.count(Counter::kFences);
}

void Session::on_mark(std::uint64_t number) {
  look_for_delisted();
  ++position_.value;
  if (number == 0) {
    trial_.succeed();
    return show_state();
  }
  rereads_->on_mark(number, position_);
}

void Session::mark(ModulePathView path, RefreshQueue::Doubt doubt) {
  queue().mark(path, position_, doubt);
}

// Every input ends here; each step does what the steps before have made possible.
void Session::advance() {
  if (ended_) return;
  look_for_delisted();
  move_phase();
  commit_when_whole();
  publish_freshness();
  walk_after_loss();
  read_values();
  read_names();
  fence_when_due();
}

void Session::read_values() {
  // What is known is in memory anyway, and a scan may mark all of it.
  if (queue().waiting() > options_.max_pending + mirror_.known()) {
    return end("more than " + std::to_string(options_.max_pending) + " changes wait to be read");
  }
  const bool towards_cut = trial_.in_force() && (phase_ == Phase::kSettling || phase_ == Phase::kLive);
  rereads_->go_on(towards_cut ? Chase::Manner::kCut : Chase::Manner::kBulk, writer_.has_staged(), position_);
}

void Session::on_applied(bool once_more) {
  if (ended_) return;
  losses_.batch_applied();
  if (once_more && writer_.has_staged()) writer_.count(Counter::kCutRetries);
  rule_.applied(boot_now(), writer_.has_staged());
  advance();
}

void Session::on_observation(const Observation& seen, const PendingPath& asked, BootTime sent) {
  if (ended_) return;
  if (options_.follow_expiry) {
    seen.ttl ? expiries_.set(seen.path, sent + *seen.ttl) : expiries_.forget(seen.path);
  }
  Observation known = seen;
  known.index = as_index(seen.index);
  known.listed = losses_.listed(seen.index, asked.announced);
  known.written = asked.told == PendingPath::Told::kWrite;
  known.asked = sent;
  mirror_.apply(known);
  losses_.find(mirror_.index_losses(), position_);
}

// What the index lists after a loss is known when it has been gone through; a walk that is running goes over the
// members of the lost one.
void Session::walk_after_loss() {
  if (phase_ != Phase::kLive || reading_again_ || !std::exchange(walk_wanted_, false)) return;
  begin_walk();
}

void Session::read_names() {
  if (reading_again_ && (!chase().idle() || writer_.has_staged())) return;
  scan_.ask_for_page(queue().waiting(), [this](const Command& command) {
    data_->ask(command,
               [this, asked = boot_now()](const redisReply& page, const std::string&) { on_page(page, asked); });
  });
  if (queue().waiting() >= KeyScan::kBacklog) return;
  walk_.ask_next([this](const Command& command) {
    data_->ask(command, [this](const redisReply& answer, const std::string&) { on_walked(answer); });
  });
}

void Session::on_walked(const redisReply& answer) {
  if (ended_) return;
  ++position_.value;
  if (const Status read = walk_.on_answer(answer); !read) return end(read.error().message);
  losses_.find(mirror_.index_losses(), position_);
  advance();
}

void Session::move_phase() {
  if (phase_ == Phase::kReading && chase().oldest_pending() > sync_end_) {
    phase_ = Phase::kSettling;
    writer_.know_every_file();
    rule_.begin_patience(boot_now(), writer_.has_staged());
    chase().settle();
  }
  if (phase_ == Phase::kSettling && !writer_.has_staged()) {
    phase_ = Phase::kLive;
    finish_sync();
  }
  const bool read = reading_again_ && !scan_.running() && chase().oldest_pending() > sync_end_;
  if (read && phase_ == Phase::kLive && !writer_.has_staged()) finish_sync();
}

void Session::finish_sync() {
  reading_again_ = lacked_names_ = false;
  flushes_.note_all_read();
  mirror_.prune_if_asked();
  begin_walk();
  show_state();
  log::info("synced", {{"modules", writer_.modules()},
                       {"not_mirrored", writer_.not_mirrored()},
                       {"generation", writer_.generation().value},
                       {"ms", ms(lasted(scan_.begun()))}});
  callbacks_.on_synced();
}

void Session::commit_when_whole() {
  if (phase_ != Phase::kSettling && phase_ != Phase::kLive) return;
  if (!writer_.has_staged() || deploy_.holds()) chase().settle();
  if (deploy_.holds()) return rule_.begin_patience(boot_now(), writer_.has_staged());
  const CommitRule::Commit verdict = rule_.commit_now(situation(), boot_now());
  if (verdict == CommitRule::Commit::kNotNow) return;
  if (verdict == CommitRule::Commit::kGiveUp) {
    writer_.count(Counter::kGroupGiveups);
    log::warn("group_given_up", {{"why", "changes came faster than they could be read"},
                                 {"then", "modules written together may be seen apart in this generation"}});
  }
  const auto committed = writer_.commit();
  if (!committed) return callbacks_.on_fatal(committed.error().message);
  chase().settle();
  const auto announced = rule_.committed();
  if (announced && live()) callbacks_.on_update_delay(lasted(*announced));
  log::debug("commit", {{"generation", committed->value}});
  move_phase();
}

void Session::publish_freshness() {
  if (phase_ != Phase::kLive) return;
  // What a deploy holds back is to be seen when it is over.
  CommitRule::Situation is = situation();
  const bool holds_back = is.staged && deploy_.holds();
  is.staged = is.staged && !holds_back;
  const auto through = rule_.take_synced_through(is, chase().oldest_pending());
  if (!through) return;
  if (writer_.starved()) {  // an old version may still be visible: no promises
    return waiters_.answer_up_to(*through, Error{ErrorCode::kBusy, std::string(kStarved)});
  }
  show_state();  // a cold or crowded mirror may have become so without a commit
  synced_through_ = *through;
  if (!holds_back) shown_through_ = *through;
  give_lease();
  waiters_.answer_up_to(*through, FenceAnswer{writer_.generation(), *through});
}

// What no message tells of is known up to the last look at the server (F3).
void Session::give_lease() {
  if (phase_ != Phase::kLive || synced_through_.ns == 0) return;
  contact_.synced_through = synced_through_;
  const auto vouched = watch_->vouched_until();
  const BootTime until = vouched ? std::min(synced_through_, *vouched) + options_.lease : BootTime{};
  writer_.publish_sync(synced_through_, until, shown_through_ < synced_through_ ? shown_through_ : BootTime{});
}

void Session::fence_when_due() {
  if (phase_ == Phase::kConnecting) return;
  const BootTime now = boot_now();
  const auto verdict = rule_.fence_now(situation(), waiters_.any_after(rule_.last_fence()), now);
  if (verdict == CommitRule::Fence::kNotNow) return;
  const auto vouched = watch_->vouched_until();
  const bool look_is_old = !vouched || now.since(*vouched) >= heartbeat(options_);
  if (verdict == CommitRule::Fence::kHeartbeat || look_is_old) watch_->look(stream_->tracking());
  const BootTime sent = boot_now();
  rule_.fence_sent(sent);
  stream_->ping(flags_visible_, sent);
}

void Session::fence(OnFence on_fence) {
  writer_.count(Counter::kFenceRequests);
  if (phase_ != Phase::kLive) {
    return on_fence(Error{ErrorCode::kBusy, "the agent is still synchronising with Redis"});
  }
  if (writer_.starved()) return on_fence(Error{ErrorCode::kBusy, std::string(kStarved)});
  waiters_.add(boot_now(), std::move(on_fence));
  fence_when_due();
}

// --- As time passes --------------------------------------------------------------------------------------------

void Session::on_tick() {
  const BootTime now = boot_now();
  if (ended_ || too_silent(now)) return;
  if (data_->idle_for(now) > kDataKeepAlive) data_->ask({"PING"}, [](const redisReply&, const std::string&) {});
  constexpr auto kPatienceNs = static_cast<std::uint64_t>(nanoseconds(kFencePatience).count());
  waiters_.answer_up_to({now.ns - std::min(now.ns, kPatienceNs)},  // the boot may have been later than that
                        Error{ErrorCode::kTimeout, "Redis did not answer a fence in time"});
  expiries_.take_due(now, [this](ModulePathView path) { mark(path); });
  trial_.look(now);
  if (!watch_->vouched_until()) watch_->look(stream_->tracking());
  look_at_sentinels(now);
  scan_when_due(now);
  look_at_deploy();
  advance();
}

// A failover that was asked for leaves the old master in its role for some ten seconds, while others write to the new
// one. A sentinel that does not answer says nothing.
void Session::look_at_sentinels(BootTime now) {
  if (options_.url.transport != RedisUrl::Transport::kSentinel) return;
  if (sentinels_ && (!sentinels_answered_ || now.since(*sentinels_answered_) < kSentinelsRest)) return;
  sentinels_answered_.reset();
  sentinels_ = std::make_unique<MasterFinder>(loop_, options_.url, [this](const Result<RedisUrl>& master) {
    sentinels_answered_ = boot_now();
    if (ended_ || !master) return;
    if (master->host == data_->named().host && master->port == data_->named().port) return;
    end("the sentinels name another master: " + master->display());
  });
}

// Ends the session when Redis owes an answer for too long.
bool Session::too_silent(BootTime now) {
  if (stream_ && stream_->silent_for(now) > kPongPatience) {
    end("no PONG within " + std::to_string(kPongPatience.count()) + " ms");
  } else if (data_->silent_for(now) > kDataPatience) {
    end("no answer on the data connection");
  } else if (rereads_->mark_overdue(now) > kPongPatience) {
    end("a re-read was answered without its mark");
  }
  return ended_;
}

void Session::scan_when_due(BootTime now) {
  if (phase_ != Phase::kLive) return;
  if (writer_.starved()) {
    if (now.since(scan_.begun()) > kStarvedRetry) begin_sync();
    return;
  }
  const nanoseconds age = now.since(std::max(scan_.begun(), walk_begun_));
  if (reading_again_ || walk_.running() || age <= options_.reconcile) return;
  watch_->ask_for_info_again();
  lacks_names() ? read_again() : begin_walk();
}

void Session::begin_walk() {
  walk_wanted_ = false;
  walk_begun_ = boot_now();
  walk_.begin(walk_begun_);
}

Shortage Session::shortage() const {
  if (writer_.starved()) return Shortage::kOfChanges;
  if (lacks_names()) return Shortage::kOfNames;
  return writer_.without_room() != 0 ? Shortage::kOfModules : Shortage::kNone;
}

void Session::show_state() {
  const Shortage lacking = shortage();
  LinkState state;
  state.redis_connected = true;
  const auto add_signal = [&state](bool on, layout::Signal signal) {
    if (on) state.signals |= static_cast<std::uint64_t>(signal);
  };
  add_signal(stream_->keyspace(), layout::Signal::kKeyspace);
  add_signal(stream_->tracking(), layout::Signal::kTracking);
  add_signal(stream_->keyspace() && !stream_->tracking() && !flags_visible_, layout::Signal::kUnproven);
  state.deploying_since_unix_ms = deploy_.since_unix_ms();
  state.cuts = trial_.in_force() ? layout::Cuts::kMarks : layout::Cuts::kFences;
  state.state = phase_ != Phase::kLive       ? layout::AgentState::kSyncing
                : lacking != Shortage::kNone ? layout::AgentState::kDegraded
                : mirror_.cold()             ? layout::AgentState::kCold
                                             : layout::AgentState::kLive;
  writer_.set_link_state(state);
  if (phase_ != Phase::kLive) return;  // what was complete is, until a generation is not
  writer_.show_complete(!lacks_names());
  shortage_report_.note(lacking, !lacks_names(), writer_);
}

}  // namespace bifrost::agent
