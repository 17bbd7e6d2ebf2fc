// session.hpp - one connected life with Redis: subscribe, synchronise, follow, know how fresh the mirror is. The
// entrance to this room.
//
// The order is what makes it right: every subscription is confirmed before the first key is read; values are read again
// after each message about them; changes are committed when they are whole; freshness is published after the commit.
// Session puts the parts together and holds what they share. The parts decide: change_stream.hpp what is announced,
// key_scan.hpp and index_walk.hpp which names there are, chase.hpp what is read next, rereads.hpp where the answers
// stand, reread.hpp what they mean, mirror.hpp what that changes, commit_rule.hpp when it becomes visible and how fresh
// it is, mark_trial.hpp and deploy_watch.hpp what that depends on, server_watch.hpp how far to trust it,
// shortage.hpp what to say when there is no room for it.
// Any trouble ends the session: the agent revokes the lease and starts another. Belongs to the loop's thread.
// (F1) synced_through = t only if every message before the PONG of a fence sent at t has been applied, and committed
//      unless a deploy is going on.
// (F2) No lease before a full synchronisation of this session has been committed.
// (F3) No lease reaches further than the newest look at the server that found nothing unheard-of.
// Reasons: docs/consistency.md section 3.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/follow/change_stream.hpp"
#include "agent/follow/commit_rule.hpp"
#include "agent/follow/data_connection.hpp"
#include "agent/follow/deploy_watch.hpp"
#include "agent/follow/expiry_clock.hpp"
#include "agent/follow/fence_waiters.hpp"
#include "agent/follow/flush_inquiry.hpp"
#include "agent/follow/index_losses.hpp"
#include "agent/follow/index_walk.hpp"
#include "agent/follow/key_scan.hpp"
#include "agent/follow/mark_trial.hpp"
#include "agent/follow/master_finder.hpp"
#include "agent/follow/refresh_queue.hpp"
#include "agent/follow/rereads.hpp"
#include "agent/follow/server_watch.hpp"
#include "agent/follow/shortage.hpp"
#include "agent/mirror/mirror.hpp"
#include "common/control/control_protocol.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::agent {

struct SessionOptions {
  RedisUrl url;
  SignalChoice signal = SignalChoice::kAuto;
  std::chrono::milliseconds lease{1000};
  std::chrono::milliseconds reconcile{60'000};
  std::uint64_t max_module_bytes = 32u << 20;
  std::uint64_t max_pending = 2'000'000;  // announced changes that may wait to be read; beyond it, start over
  bool follow_expiry = false;             // read keys again when they are due to expire: for --on-expiry drop
};

class Session {
 public:
  struct Callbacks {
    std::function<void()> on_synced;  // each time a full synchronisation has been committed
    // From the first message about a change to the commit that made it visible; from a first PING to the last PONG.
    std::function<void(std::chrono::nanoseconds)> on_update_delay;
    std::function<void(std::chrono::nanoseconds)> on_fence_time;
    std::function<void(std::string why)> on_broken;  // the session is over: destroy it in a later turn of the loop
    std::function<void(std::string why)> on_fatal;   // the segment cannot be written: so is the agent
  };
  using OnFence = FenceWaiters::OnFence;

  // Keeps up to date what the next session gets as well: `contact`, and `deploy`, whose patience does not begin anew
  // with a connection.
  Session(uv_loop_t* loop, const SessionOptions& options, SegmentWriter& writer, Mirror& mirror, LastContact& contact,
          DeployWatch& deploy, Callbacks callbacks);
  ~Session();

  // Answers once the segment holds every write acknowledged before this call, or with the reason why it cannot.
  void fence(OnFence on_fence);
  // Reads everything again; `prune` then drops what Redis does not have, if need be after a later session's reading,
  // unless Redis has lost its data by then. A mirror that is live and not short of room stays so meanwhile.
  void resync(bool prune);

  bool live() const { return phase_ == Phase::kLive; }
  bool synchronising() const { return !live() || reading_again_; }
  bool cut_off() const { return watch_ && watch_->cut_off(); }

 private:
  enum class Phase {
    kConnecting,  // links and subscriptions are being set up
    kScanning,    // key names are coming in
    kReading,     // the values of the scan are being read
    kSettling,    // all read, to be committed
    kLive,
  };

  // Setting up, in this order.
  void check_server();
  void on_server_known(const ServerFacts& facts);
  void note_losses(const ServerFacts& facts);
  void open_stream(bool keyspace_enabled);
  void on_stream_live();

  // What happens.
  void on_module(ModulePathView path, RefreshQueue::Doubt doubt);
  void on_index(IndexNews news);
  void look_for_delisted();
  void on_everything();
  void look_at_sentinels(BootTime now);
  void on_pong();
  void on_mark(std::uint64_t number);
  void on_swept(Sweep sweep);
  void on_page(const redisReply& page, BootTime asked);
  void on_walked(const redisReply& answer);
  bool on_entry(ModulePathView path, IndexEntry entry);
  IndexEntry as_index(IndexEntry entry) const;
  void on_applied(bool once_more);
  void on_deploying();
  void look_at_deploy();
  void on_observation(const Observation& seen, const PendingPath& asked, BootTime sent);
  void hear_of_loss();
  void walk_after_loss();
  std::size_t read_after_this();
  void on_tick();

  // What follows from it.
  void advance();
  void read_values();
  void read_names();
  void move_phase();
  void commit_when_whole();
  void publish_freshness();
  void fence_when_due();

  void begin_sync();
  void read_again();
  void finish_sync();
  void scan_when_due(BootTime now);
  void begin_walk();
  void mark(ModulePathView path, RefreshQueue::Doubt doubt = RefreshQueue::Doubt::kUnspecific);
  void make_rereads();
  void give_lease();
  bool too_silent(BootTime now);
  RefreshQueue& queue() { return rereads_->chase().queue(); }
  Chase& chase() { return rereads_->chase(); }
  CommitRule::Situation situation() { return {writer_.has_staged(), chase().idle(), trial_.cut(chase().cut())}; }
  bool lacks_names() const { return lacked_names_ || writer_.incomplete(); }
  Shortage shortage() const;
  void show_state();
  void end(const std::string& why);

  uv_loop_t* loop_;
  SessionOptions options_;
  SegmentWriter& writer_;
  Mirror& mirror_;
  LastContact& contact_;
  DeployWatch& deploy_;
  Callbacks callbacks_;

  FlushInquiry flushes_;
  std::unique_ptr<DataConnection> data_;
  std::unique_ptr<ServerWatch> watch_;
  std::unique_ptr<ChangeStream> stream_;
  std::unique_ptr<Rereads> rereads_;
  std::unique_ptr<MasterFinder> sentinels_;     // the newest look at them
  std::optional<BootTime> sentinels_answered_;  // when it ended
  std::unique_ptr<Timer> tick_;
  std::unique_ptr<Timer> set_up_;  // ends each step that takes too long before there are ticks
  bool flags_visible_ = false;     // CONFIG GET tells whether notifications are sent

  Phase phase_ = Phase::kConnecting;
  CommitRule rule_;
  FenceWaiters waiters_;
  ExpiryClock expiries_;
  BootTime synced_through_;  // as published in this session; 0: not since the last synchronisation
  BootTime shown_through_;   // the same, when nothing was held back by a deploy: all before it is visible
  StreamPosition position_;  // of the last message
  StreamPosition sync_end_;  // of the last mark made by the scan
  KeyScan scan_;
  IndexWalk walk_;
  BootTime walk_begun_;
  std::unique_ptr<Timer> scan_rest_;
  IndexLosses losses_;
  bool walk_wanted_ = false;  // since a loss
  MarkTrial trial_;
  bool reading_again_ = false;  // all of it, while live
  bool lacked_names_ = false;   // when that began
  bool delisted_ = false;       // the index has fewer members; what that means has yet to be looked for
  ShortageReport shortage_report_;
  bool ended_ = false;
};

}  // namespace bifrost::agent
