// change_stream.hpp - the subscription connection: what changed in Redis, in order, fences, and marks.
//
// One RESP2 connection carries keyspace notifications and, through CLIENT TRACKING redirected to itself, invalidation
// messages. A PING on it is a fence: its PONG follows the messages of every write that was acknowledged before the PING
// was sent. At most one PING is in flight; with more, a tracking message could overtake the later one. Where it has to
// rest on tracking, a fence is two PINGs: the second is sent after the PONG of the first. The reasons are in
// docs/design/0104-two-pings-where-tracking-is-alone.md.
// With both signals a notification says what happened, at once, and tracking repeats it at the end of a pass of Redis'
// event loop. A module of which tracking alone speaks was changed while somebody had switched notifications off, or in
// another database, which tracking does not tell apart.
// Messages are only ever a reason to read a key again. Belongs to the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "agent/follow/index_events.hpp"
#include "agent/follow/refresh_queue.hpp"
#include "agent/loop/link.hpp"
#include "common/base/clock.hpp"
#include "common/base/module_path.hpp"
#include "common/redis/redis_url.hpp"

namespace bifrost::agent {

// An address may lead each connection to another server: a balancer's, or one that is moved meanwhile.
inline constexpr std::string_view kAnotherServer =
    "it reached another server than the connection that reads: redis_url must lead to one server at a time";

enum class SignalChoice { kAuto, kBoth, kKeyspace, kTracking };

class ChangeStream {
 public:
  struct Callbacks {
    // Every subscription is confirmed: from now on no write goes unheard.
    std::function<void()> on_live;
    std::function<void(ModulePathView path, RefreshQueue::Doubt)> on_module;
    // Of a key whose path no module can have.
    std::function<void(std::string_view path, PathFault why)> on_refused;
    // Something was removed from the index, or may have been, or it was lost as a whole.
    std::function<void(IndexNews)> on_index;
    // Everything may have changed: FLUSHALL, a reload, a replica's full resync.
    std::function<void()> on_everything;
    // The key of a deploy has changed in some way.
    std::function<void()> on_deploying;
    std::function<void()> on_pong;
    // A mark of this agent's (rereads.hpp), or its trial (0).
    std::function<void(std::uint64_t number)> on_mark;
    std::function<void()> on_drained;
    std::function<void(std::string why)> on_broken;
    // A message about a key that is not a module.
    std::function<void()> on_ignored;
  };

  // `keyspace_enabled`: the server is known to send the notifications that are needed. `run_id`: the server must be
  // this one; "" when nobody may ask.
  ChangeStream(uv_loop_t* loop, const RedisUrl& url, std::string run_id, SignalChoice choice, bool keyspace_enabled,
               Callbacks callbacks);

  // A fence. Only after on_live, and only when none is in flight. Where it has to rest on tracking it takes two round
  // trips. `notifies`: the server is known to send notifications.
  void ping(bool notifies, BootTime now);

  // How long Redis has owed the PONG of the newest PING; 0 when none is in flight.
  std::chrono::nanoseconds silent_for(BootTime now) const;

  bool keyspace() const { return keyspace_; }
  bool tracking() const { return tracking_; }
  // All members of the index have been removed, and it with them. Known by notifications only.
  bool index_emptied() const { return index_.emptied(); }
  // Marks are heard, on this channel. Only keyspace notifications are in one order with them: tracking's messages are
  // put into the stream at the end of a pass of Redis' event loop.
  bool marks() const { return marks_ && keyspace_; }
  const std::string& mark_channel() const { return mark_channel_; }

 private:
  void handshake();
  void on_server(const redisReply& reply);
  void ask_for_signals();
  void on_reply(const redisReply& reply);
  void on_client_id(const redisReply& reply);
  void on_tracking(const redisReply& reply);
  void subscribe();
  void on_confirmation(const redisReply& reply);
  bool sufficient();
  void on_message(const redisReply& reply);
  void on_keyspace_event(std::string_view channel, std::string_view event);
  void on_invalidation(const redisReply& keys);
  void on_index_event(std::string_view event);
  void on_mark(std::string_view number);
  void send_ping(BootTime now);
  void on_pong();
  void on_module_key(std::string_view key, RefreshQueue::Doubt doubt);
  bool was_notified_of(std::string_view key);

  enum class Step { kServer, kClientId, kTracking, kSubscribing, kLive };

  RedisUrl url_;
  const std::string run_id_;
  SignalChoice choice_;
  bool keyspace_;
  bool tracking_ = false;
  bool marks_ = false;
  IndexEvents index_;
  // With both signals: modules of which notifications have told and tracking is yet to tell.
  std::unordered_set<std::string> notified_;
  std::string mark_channel_;
  std::string keyspace_pattern_;
  std::string keyspace_prefix_;  // of a channel name, before the key
  Callbacks callbacks_;
  Step step_ = Step::kServer;
  int pongs_due_ = 0;               // of the fence in flight
  std::optional<BootTime> pinged_;  // while a PONG is due
  std::deque<bool*> unconfirmed_;   // what was asked for, in order: tracking_, keyspace_ or marks_
  std::unique_ptr<LoopLink> link_;
};

}  // namespace bifrost::agent
