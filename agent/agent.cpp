#include "agent/agent.hpp"

#include <csignal>

#include <algorithm>
#include <utility>

#include "agent/loop/directory_lock.hpp"
#include "agent/loop/log.hpp"
#include "agent/loop/service_notify.hpp"
#include "agent/loop/unix_time.hpp"
#include "common/reader/segment.hpp"
#include "common/telemetry/presence_file.hpp"
#include "common/telemetry/telemetry_file.hpp"

namespace bifrost::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kMaxBackoff{5000};
constexpr milliseconds kTick{500};
// A service manager waits for READY=1, and with it whoever installs the package: Redis being away is no reason to
// keep them. docs/design/0051.
constexpr milliseconds kReadyPatience{5000};

}  // namespace

Result<std::unique_ptr<Agent>> Agent::start(uv_loop_t* loop, const AgentConfig& config, const std::string& version,
                                            Generation reached) {
  std::unique_ptr<Agent> agent(new Agent(loop, config));
  if (const Status s = prepare_directory(config.segment_dir); !s) return s.error();
  auto lock = DirectoryLock::take(config.segment_dir);
  if (!lock) return lock.error();
  agent->lock_ = std::move(*lock);
  remove_unpublished(config.segment_dir);
  if (config.password_exposed) {
    log::warn("password_exposed", {{"why", "it stands in the command line, which every user can read"},
                                   {"do", "put the URL into a file and name that: --redis-url-file FILE"}});
  }
  if (!config.obsolete.empty()) log::warn("obsolete_setting", {{"what", config.obsolete}});
  // An address that is taken must cost nobody the segment that is there.
  if (config.metrics) {
    if (const Status s = agent->serve_http(*config.metrics); !s) return s.error();
  }
  if (const Status s = agent->open_store(version, reached); !s) return s.error();
  if (const Status s = agent->serve_control(); !s) return s.error();
  if (config.telemetry) {
    // Numbers about workers are not worth an outage.
    for (const Status& s : {create_telemetry_file(config.segment_dir), keep_presence_file(config.segment_dir)}) {
      if (!s) log::warn("no_telemetry", {{"why", s.error().message}});
    }
  } else {
    remove_telemetry_file(config.segment_dir);
    remove_presence_file(config.segment_dir);
  }
  return agent;
}

Status Agent::serve_control() {
  ControlServer::Requests requests;
  requests.fence = [this](std::function<void(Result<FenceAnswer>)> on_fence) {
    if (hears_from_redis()) return session_->fence(std::move(on_fence));
    on_fence(no_redis());
  };
  requests.sync = [this](bool prune) -> Status {
    if (!hears_from_redis()) return no_redis();
    session_->resync(prune);
    return Done{};
  };
  requests.state = [this] {
    const Status shared = writer_->share_chunks();  // tried again: the reason is that of this moment
    const Standing standing{session_ && session_->synchronising(), writer_->starved(), session_ && session_->cut_off(),
                            deploy_.overdue_since_unix_ms(), shared ? "" : shared.error().message};
    return state_document(trouble_, standing, *compile_);
  };
  requests.not_compiled = [this] { return not_compiled_document(*compile_); };
  requests.config = [this] { return config_document(config_.settings); };
  requests.events = [this](std::uint64_t after, EventJournal::Answer answer) {
    journal_.ask(after, std::move(answer));
  };
  requests.refused = [this] { writer_->count(Counter::kControlRefused); };
  auto control = ControlServer::listen(loop_, config_.segment_dir, std::move(requests));
  if (!control) return control.error();
  control_ = std::move(*control);
  return Done{};
}

Status Agent::serve_http(const ListenAddress& address) {
  auto http = HttpServer::listen(loop_, address, [this](std::string_view target) { return answer_http(target); });
  if (!http) return http.error();
  http_ = std::move(*http);
  log::info("metrics", {{"address", http_->address()}});
  return Done{};
}

HttpAnswer Agent::answer_http(std::string_view target) const {
  // That there is an answer is the answer. Redis is no part of it: restarting the agent would not bring it back.
  if (target == "/livez" || target == "/healthz") return {200, "application/json", "{\"alive\":true}\n"};
  if (target != "/readyz" && target != "/metrics") {
    return {404, "text/plain", "ask /metrics, /livez or /readyz\n"};
  }
  // As any reader does: so that a segment that readers would refuse shows here.
  const auto segment = Segment::attach(config_.segment_dir);
  if (!segment) return {503, "text/plain", segment.error().message + "\n"};
  const SegmentInfo info = (*segment)->info();
  if (target == "/metrics")
    return {200, "text/plain; version=0.0.4; charset=utf-8",
            metrics_.text(info, read_telemetry(config_.segment_dir), boot_now())};
  const Readiness ready = readiness(info, boot_now());
  return {ready.ready ? 200 : 503, "application/json", ready.body};
}

Agent::Agent(uv_loop_t* loop, const AgentConfig& config) : loop_(loop), config_(config), journal_(loop), metrics_() {
  trouble_.url = config_.session.url.display();
  server_ = layout::content_digest(trouble_.url).low;
}

Agent::~Agent() = default;

// What the agent before has left, or nothing.
Status Agent::open_store(const std::string& version, Generation reached) {
  last_agent_ = read_last_agent(lock_.file());
  last_agent_.ceiling = std::max(last_agent_.ceiling, reached);
  auto old = Segment::attach(config_.segment_dir);
  // It may hold the only copy of modules that Redis has lost: what cannot be read now is left for the next start.
  if (!old && is_momentary(old.error().code)) return old.error();
  const auto layout2 = Layout2Segment::open(config_.segment_dir);
  if (!old && !layout2 && old.error().code != ErrorCode::kNotFound) {
    log::warn("old_segment_unusable", {{"why", old.error().message}});
  }
  StoreOptions options;
  options.dir = config_.segment_dir;
  options.max_size_bytes = config_.max_size_bytes;
  options.history = config_.history;
  options.history_bytes = config_.history_bytes;
  options.identity = {version, config_.session.url.display(), config_.workspace, unix_ms(), config_.session.lease};
  if (!old) {
    if (const Status removed = remove_chunks(config_.segment_dir); !removed) return removed;
  }
  const Generation above = std::max(last_agent_.ceiling, layout2 ? layout2->generation() : Generation{});
  std::size_t given_up = 0;
  auto writer = old ? Adoption::writer_for(**old, options, reached, given_up) : SegmentWriter::create(options, above);
  if (!writer) return writer.error();
  if (given_up != 0) {
    log::warn("mirror_made_smaller", {{"max_size", options.max_size_bytes},
                                      {"chunks_given_up", given_up},
                                      {"then", "what was in them comes from Redis again, as far as there is room"}});
  }
  writer_ = std::move(*writer);
  if (const Status shared = writer_->share_chunks(); !shared) {
    log::warn("chunk_not_shared",
              {{"why", shared.error().message},
               {"then", "workers that may not read it ask Redis for what is in it"},
               {"do", "give the files in the segment directory the group that workers have (chgrp)"}});
  }
  compile_ = std::make_unique<CompileService>(loop_, config_.compile, *writer_, [this] {
    mirror_->for_each_source([this](ModulePathView path) {
      if (const auto source = writer_->source_of(path.text())) want_code(path, source->content.size());
    });
  });
  mirror_ = std::make_unique<Mirror>(
      *writer_, config_.on_expiry,
      [](ModulePathView path, std::string_view reason) {
        log::warn("not_mirrored", {{"path", path.text()}, {"why", reason}});
      },
      [this](ModulePathView path, std::uint64_t bytes) { want_code(path, bytes); },
      [](std::string_view path, std::string_view reason) {
        log::warn("path_refused", {{"path", path}, {"why", reason}});
      });
  writer_->heartbeat(boot_now());
  writer_->set_link_state(LinkState{});
  contact_.facts.run_id = last_agent_.run_id;
  if (layout2) copy_from(*layout2);
  if (!old) return Done{};
  // Without a lease: it says of which time the content is. A time of another boot says nothing.
  contact_.synced_through = (*old)->synced_through();
  contact_.other_server = last_agent_.server != 0 && last_agent_.server != server_;
  writer_->publish_sync(contact_.synced_through, BootTime{});
  adoption_ = std::make_unique<Adoption>(*old, *mirror_, *writer_);
  return Done{};
}

void Agent::want_code(ModulePathView path, std::uint64_t source_bytes) {
  if (adoption_) {
    // Code would need room in the store, and what is not adopted yet looks as if it could be given back.
    adopted_sources_.emplace_back(path, source_bytes);
    return;
  }
  const bool live = session_ != nullptr && session_->live();
  compile_->want(path, source_bytes, live ? CompileQueue::Urgency::kFresh : CompileQueue::Urgency::kBacklog);
}

// In one go, once in the life of a node: nothing is served meanwhile, and the old segment stays until this one is
// whole.
void Agent::copy_from(const Layout2Segment& old) {
  std::uint64_t copied = 0;
  std::uint64_t left_out = 0;
  const std::uint64_t damaged = old.for_each_source([&](const Layout2Module& module) {
    const auto path = ModulePathView::parse(module.path);
    const Adopted as_it_was{true, module.retained, module.index_lost, module.content.size()};
    const bool taken = path && mirror_->take_over(*path, module.content, module.hash, as_it_was);
    ++(taken ? copied : left_out);
  });
  log::info("old_segment_copied", {{"layout", 2}, {"modules", copied}, {"left_out", left_out}, {"damaged", damaged}});
}

bool Agent::adopt_on() {
  if (adoption_ && !adoption_->step()) return true;
  const Status published = adoption_ ? adoption_->finish() : [this]() -> Status {
    const auto committed = writer_->commit();
    return committed ? Status(Done{}) : Status(committed.error());
  }();
  if (!published) {
    stop(published.error());
    return false;
  }
  const Adoption::Tally tally = adoption_ ? adoption_->tally() : Adoption::Tally{};
  adoption_.reset();
  for (const auto& [path, bytes] : std::exchange(adopted_sources_, {})) want_code(path, bytes);
  note_last_agent();
  log::info("published", {{"dir", config_.segment_dir},
                          {"generation", writer_->generation().value},
                          {"adopted", tally.modules},
                          {"adopted_code", tally.code},
                          {"damaged", tally.damaged},
                          {"refused", tally.refused},
                          {"without_room", tally.without_room}});
  connect();
  return false;
}

// Ahead of what has been published, so that it need not be written for each generation.
void Agent::note_last_agent() {
  constexpr std::uint64_t kStep = 1'000'000;
  // Whom it has not heard from yet has told it nothing.
  LastAgent next{contact_.facts.run_id, contact_.other_server ? last_agent_.server : server_, last_agent_.ceiling};
  if (writer_->generation().value + kStep / 2 > next.ceiling.value) {
    next.ceiling = {writer_->generation().value + kStep};
  }
  if (next.run_id == last_agent_.run_id && next.server == last_agent_.server && next.ceiling == last_agent_.ceiling)
    return;
  if (!keep_for_next_agent(lock_.file(), next)) {
    log::warn("lock_file_not_written", {{"then", "the next agent may take a loss for deletions or the reverse"}});
  }
  last_agent_ = next;
}

Status Agent::run() {
  sigterm_ = std::make_unique<SignalWatcher>(loop_, SIGTERM, [this] { stop(Done{}); });
  sigint_ = std::make_unique<SignalWatcher>(loop_, SIGINT, [this] { stop(Done{}); });
  reconnect_ = std::make_unique<Timer>(loop_, [this] { connect(); });
  tick_ = std::make_unique<Timer>(loop_, [this] { on_tick(); });
  tick_->every(kTick);
  sighup_ = std::make_unique<SignalWatcher>(loop_, SIGHUP, [this] { reload(); });
  ready_by_ = std::make_unique<Timer>(
      loop_, [] { notify_service_manager("READY=1\nSTATUS=serving the last known good, waiting for Redis"); });
  ready_by_->once(kReadyPatience);
  if (const auto period = watchdog_period()) {
    watchdog_ = std::make_unique<Timer>(loop_, [] { notify_service_manager("WATCHDOG=1"); });
    watchdog_->every(*period);
  }
  tending_ = std::make_unique<InTurns>(loop_, [this] { return writer_->tend(); });
  adopting_ = std::make_unique<InTurns>(loop_, [this] { return adopt_on(); });
  adopting_->start();
  uv_run(loop_, UV_RUN_DEFAULT);
  return outcome_;
}

void Agent::connect() {
  session_.reset();
  Session::Callbacks callbacks;
  callbacks.on_synced = [this] { on_synced(); };
  callbacks.on_broken = [this](const std::string& why) { on_session_broken(why); };
  callbacks.on_update_delay = [this](std::chrono::nanoseconds delay) { metrics_.observe_update(delay); };
  callbacks.on_fence_time = [this](std::chrono::nanoseconds time) { metrics_.observe_fence(time); };
  callbacks.on_fatal = [this](const std::string& why) { stop(Error{ErrorCode::kIo, why}); };
  session_ =
      std::make_unique<Session>(loop_, config_.session, *writer_, *mirror_, contact_, deploy_, std::move(callbacks));
}

void Agent::on_synced() {
  writer_->show_run_id(contact_.facts.run_id);
  note_last_agent();
  if (!synced_at_) synced_at_ = boot_now();
  if (!trouble_.why.empty()) {
    log::info("redis_back",
              {{"redis", trouble_.url},
               {"after_ms", std::chrono::duration_cast<milliseconds>(boot_now().since(trouble_.since)).count()},
               {"attempts", trouble_.attempts}});
  }
  trouble_ = {trouble_.url};
  said_troubles_.clear();
  synced_once_ = true;
  ready_by_.reset();
  notify_service_manager("READY=1\nSTATUS=mirroring");
}

// Without a connection the session knows less than what the last one ended with.
bool Agent::hears_from_redis() const {
  return session_ && (session_->live() || trouble_.why.empty());
}

Error Agent::no_redis() const {
  const std::string why = trouble_.why.empty() ? "" : ": " + trouble_.why;
  return {ErrorCode::kUnreachable, "the agent has no working connection to Redis at " + trouble_.url + why};
}

// Reasons may take turns, as when a server that loads its data refuses now and then.
bool Agent::is_new_trouble(const std::string& why) {
  constexpr std::size_t kMostReasons = 32;
  if (trouble_.attempts++ == 0) {
    trouble_.since_unix_ms = unix_ms();
    trouble_.since = boot_now();
  }
  trouble_.why = why;
  return said_troubles_.size() < kMostReasons && said_troubles_.insert(why).second;
}

// The session is destroyed when the timer fires, in a turn of its own.
void Agent::on_session_broken(const std::string& why) {
  writer_->revoke_lease();
  if (synced_at_) writer_->count(Counter::kReconnects);
  LinkState state;
  state.state = synced_once_ ? layout::AgentState::kSyncing : layout::AgentState::kStarting;
  writer_->set_link_state(state);
  // What breaks as soon as it is in sync has mended nothing.
  const auto synced_at = std::exchange(synced_at_, std::nullopt);
  if (synced_at && boot_now().since(*synced_at) >= kMaxBackoff) backoff_ = milliseconds(0);
  backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kMaxBackoff);
  // The sentinel that was asked first may be the one that is wrong.
  auto& sentinels = config_.session.url.sentinels;
  if (sentinels.size() > 1) std::ranges::rotate(sentinels, sentinels.begin() + 1);
  // Full jitter: a fleet must not come back in step after Redis was away.
  const milliseconds delay(std::uniform_int_distribution<long>(0, backoff_.count())(jitter_));
  if (is_new_trouble(why)) {
    log::warn("redis_lost",
              {{"redis", trouble_.url}, {"why", why}, {"retry_in_ms", static_cast<std::uint64_t>(delay.count())}});
  }
  notify_service_manager("STATUS=no Redis connection, serving the last known good: " + why);
  reconnect_->once(delay);
}

void Agent::on_tick() {
  writer_->heartbeat(boot_now());
  if (adoption_) return;
  note_last_agent();
  tending_->start();
  look_after_names();
}

// Somebody may remove what lies in the directory: it is put back, or all is begun anew.
void Agent::look_after_names() {
  const DirectoryLock::Hold hold = lock_.examine();
  if (hold == DirectoryLock::Hold::kDirectoryLost) return start_again("the segment directory was removed or replaced");
  if (hold == DirectoryLock::Hold::kFileLost && !take_lock_again()) return;
  if (!writer_->has_all_chunks()) return start_again("a chunk of the segment was removed or replaced");
  if (!control_->has_its_name()) {
    log::warn("control_socket_lost", {{"dir", config_.segment_dir}, {"action", "listening again"}});
    if (const Status s = serve_control(); !s) log::error("listen_failed", {{"why", s.error().message}});
  }
  if (writer_->lost_its_name()) restore_name();
}

// False when another agent was quicker: the directory is its own now.
bool Agent::take_lock_again() {
  log::warn("lock_file_lost", {{"dir", config_.segment_dir}, {"action", "locking it again"}});
  auto lock = DirectoryLock::take(config_.segment_dir);
  if (!lock) {
    stop(Error{lock.error().code, lock.error().message + ": somebody had removed the lock file of this one"});
    return false;
  }
  lock_ = std::move(*lock);
  last_agent_ = {};  // what stood in the file that is lost
  note_last_agent();
  return true;
}

void Agent::start_again(std::string_view why) {
  log::error("starting_again", {{"dir", config_.segment_dir}, {"why", why}});
  starts_again_ = true;
  stop(Done{});
}

// Somebody deleted or replaced the file: readers that attach now would find nothing, or something else.
void Agent::restore_name() {
  log::warn("segment_name_lost", {{"dir", config_.segment_dir}, {"action", "publishing it again"}});
  if (const Status s = writer_->republish(); !s) log::error("republish_failed", {{"why", s.error().message}});
}

// Only what can change under way without a doubt about what workers see.
void Agent::reload() {
  const auto level = config_.reread_log_level();
  const Status set = level ? log::set_level(*level) : Status(level.error());
  if (!set) return log::error("reload_failed", {{"why", set.error().message}});
  log::info("reloaded", {{"log_level", *level}});
}

void Agent::stop(Status outcome) {
  outcome_ = std::move(outcome);
  notify_service_manager("STOPPING=1");
  writer_->revoke_lease();
  LinkState state;
  state.state = layout::AgentState::kStopped;
  writer_->set_link_state(state);
  log::info("stopped", {{"generation", writer_->generation().value}});
  uv_stop(loop_);
}

}  // namespace bifrost::agent
