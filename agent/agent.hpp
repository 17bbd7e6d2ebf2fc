// agent.hpp - the daemon's life: take the directory, publish a segment, keep a session with Redis, end cleanly.
//
// Whatever happens to Redis, the segment stays published and readable; what changes is the lease. Belongs to the loop's
// thread; one per process.
#pragma once

#include <uv.h>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent_config.hpp"
#include "agent/agent_report.hpp"
#include "agent/compile/service.hpp"
#include "agent/follow/session.hpp"
#include "agent/loop/directory_lock.hpp"
#include "agent/loop/event_loop.hpp"
#include "agent/mirror/adoption.hpp"
#include "agent/mirror/last_agent.hpp"
#include "agent/mirror/layout2.hpp"
#include "agent/mirror/mirror.hpp"
#include "agent/serve/control_server.hpp"
#include "agent/serve/event_journal.hpp"
#include "agent/serve/http_server.hpp"
#include "agent/serve/metrics.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::agent {

class Agent {
 public:
  // Locks the directory and listens. What the agent before has left is taken over once the loop runs; until then
  // workers are served by that.
  static Result<std::unique_ptr<Agent>> start(uv_loop_t* loop, const AgentConfig& config, const std::string& version,
                                              Generation reached = {});
  ~Agent();

  // Runs until SIGTERM or SIGINT. Errors: what made going on impossible.
  Status run();
  // After run(): what lay in the segment directory was lost. Another agent must take over, from this generation on.
  bool starts_again() const { return starts_again_; }
  Generation generation() const { return writer_->generation(); }

 private:
  Agent(uv_loop_t* loop, const AgentConfig& config);
  Status open_store(const std::string& version, Generation reached);
  void copy_from(const Layout2Segment& old);
  void want_code(ModulePathView path, std::uint64_t source_bytes);
  // A slice; whether there is more.
  bool adopt_on();
  void note_last_agent();
  Status serve_control();
  void look_after_names();
  bool take_lock_again();
  void start_again(std::string_view why);
  Status serve_http(const ListenAddress& address);
  HttpAnswer answer_http(std::string_view target) const;
  void connect();
  void on_session_broken(const std::string& why);
  bool is_new_trouble(const std::string& why);
  void on_synced();
  bool hears_from_redis() const;
  Error no_redis() const;
  void on_tick();
  void restore_name();
  void reload();
  void stop(Status outcome);

  uv_loop_t* loop_;
  AgentConfig config_;
  EventJournal journal_;
  DirectoryLock lock_;
  std::unique_ptr<SegmentWriter> writer_;
  std::unique_ptr<CompileService> compile_;
  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<Adoption> adoption_;                                 // until it is done
  std::vector<std::pair<ModulePath, std::uint64_t>> adopted_sources_;  // and their bytes, while adoption_ goes on
  LastAgent last_agent_;
  std::uint64_t server_ = 0;  // stands for the URL of Redis
  LastContact contact_;
  DeployWatch deploy_;
  std::unique_ptr<ControlServer> control_;
  Metrics metrics_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Timer> reconnect_;
  std::unique_ptr<Timer> tick_;
  std::unique_ptr<InTurns> adopting_;
  std::unique_ptr<InTurns> tending_;
  std::unique_ptr<Timer> watchdog_;
  std::unique_ptr<SignalWatcher> sigterm_;
  std::unique_ptr<SignalWatcher> sigint_;
  std::unique_ptr<SignalWatcher> sighup_;
  std::unique_ptr<Timer> ready_by_;
  std::chrono::milliseconds backoff_{0};
  std::optional<BootTime> synced_at_;    // of the present session, for the first time
  RedisTrouble trouble_;                 // since the mirror was last in sync
  std::set<std::string> said_troubles_;  // of these, in the log: each once
  std::mt19937 jitter_{std::random_device{}()};
  bool synced_once_ = false;
  bool starts_again_ = false;
  Status outcome_ = Done{};
};

}  // namespace bifrost::agent
