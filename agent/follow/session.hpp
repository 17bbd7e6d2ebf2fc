// session.hpp - one connected life with Redis: subscribe, synchronise, follow, know how fresh the mirror is.
//
// The order is what makes it right: every subscription is confirmed before the first key is read; values are read again
// after each message about them; changes are committed when a fence sent after the last re-read shows that nothing
// more happened (so that keys written together become visible together); freshness is published after the commit.
// Any trouble ends the session: the agent revokes the lease and starts another. Belongs to the loop's thread.
// (F1) synced_through = t only if every message before the PONG of a PING sent at t has been applied and committed.
// (F2) No lease before a full synchronisation of this session has been committed.
// (F3) No lease reaches further than the newest look at the server that found nothing unheard-of.
// Reasons: docs/consistency.md section 3.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/follow/change_stream.hpp"
#include "agent/follow/data_connection.hpp"
#include "agent/follow/expiry_clock.hpp"
#include "agent/follow/fence_book.hpp"
#include "agent/follow/fence_waiters.hpp"
#include "agent/follow/refresh_queue.hpp"
#include "agent/follow/reread.hpp"
#include "agent/follow/server_watch.hpp"
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
    // From the first message about a change to the commit that made it visible; from a fence's PING to its PONG.
    std::function<void(std::chrono::nanoseconds)> on_update_delay;
    std::function<void(std::chrono::nanoseconds)> on_fence_time;
    std::function<void(std::string why)> on_broken;  // the session is over: destroy it in a later turn of the loop
    std::function<void(std::string why)> on_fatal;   // the segment cannot be written: so is the agent
  };
  using OnFence = FenceWaiters::OnFence;

  // Keeps `contact`, which the next session gets, up to date.
  Session(uv_loop_t* loop, const SessionOptions& options, SegmentWriter& writer, Mirror& mirror, LastContact& contact,
          Callbacks callbacks);
  ~Session();

  // Answers once the segment holds every write acknowledged before this call, or with the reason why it cannot.
  void fence(OnFence on_fence);
  // Reads everything again; `prune` then drops what Redis does not have, if need be after a later session's reading.
  void resync(bool prune);

  bool live() const { return phase_ == Phase::kLive; }

 private:
  enum class Phase {
    kConnecting,  // links and subscriptions are being set up
    kScanning,    // key names are coming in
    kReading,     // the values of the scan are being read
    kSettling,    // all read, to be committed
    kLive,
  };
  enum class ScanKind { kEverything, kNamesOnly };

  void check_server();
  void note_losses(const ServerFacts& facts);
  void open_stream(bool keyspace_enabled, bool flags_visible);
  void begin_sync();
  void begin_scan(ScanKind kind);
  void next_scan_page();
  void on_scan_page(const redisReply& page);
  void finish_scan();

  void mark(ModulePathView path, RefreshQueue::Doubt doubt = RefreshQueue::Doubt::kUnspecific);
  void advance();
  void read_more();
  DataConnection& connection_for_batch();
  void on_batch(const Reread& batch, BootTime sent, const redisReply& exec, const std::string& queue_error);
  void on_observation(const PendingPath& asked, const Observation& seen, BootTime sent);
  void move_phase();
  void commit_when_whole();
  void commit();
  void publish_freshness();
  void give_lease();
  void fence_when_due();
  void on_tick();
  void show_state();
  void end(const std::string& why);

  uv_loop_t* loop_;
  SessionOptions options_;
  SegmentWriter& writer_;
  Mirror& mirror_;
  LastContact& contact_;
  Callbacks callbacks_;

  std::unique_ptr<DataConnection> data_;
  std::unique_ptr<DataConnection> second_;  // only in the test program that has this defect
  std::unique_ptr<ServerWatch> watch_;
  std::unique_ptr<ChangeStream> stream_;
  std::unique_ptr<Timer> tick_;

  Phase phase_ = Phase::kConnecting;
  RefreshQueue queue_;
  FenceBook fences_;
  FenceWaiters waiters_;
  ExpiryClock expiries_;
  BootTime synced_through_;  // as published in this session; 0: not since the last synchronisation
  StreamPosition position_;  // of the last message
  StreamPosition sync_end_;  // last mark made by the scan
  bool scan_running_ = false;
  ScanKind scan_kind_ = ScanKind::kEverything;
  std::string scan_cursor_;  // of the page to ask for, when back-pressure held it up
  std::size_t batches_in_flight_ = 0;
  BootTime last_applied_;     // when the last re-read was staged
  BootTime unsettled_since_;  // when the oldest message arrived that is not settled yet; 0: none
  BootTime staged_since_;     // when the oldest uncommitted change was staged; 0: none
  BootTime scan_started_;
  bool ended_ = false;
};

}  // namespace bifrost::agent
