// data_connection.hpp - the connection for questions: commands go out, answers come back in order.
//
// Exactly one per mirror: two connections could apply an older value after a newer one. Belongs to the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "agent/loop/link.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class DataConnection {
 public:
  // `skipped_error` is the first error among the skipped replies, "" when there was none: it says why an EXEC failed.
  using OnReply = std::function<void(const redisReply&, const std::string& skipped_error)>;
  using OnOwnReply = std::function<void(Reply, const std::string& skipped_error)>;

  DataConnection(uv_loop_t* loop, const RedisUrl& url, std::function<void()> on_ready,
                 std::function<void(std::string why)> on_broken);

  const RedisUrl& reached() const { return link_->reached(); }
  const RedisUrl& named() const { return link_->named(); }

  void ask(const Command& command, OnReply on_reply) {
    send(command);
    expect(0, 1,
           [on_reply = std::move(on_reply)](const Reply& reply, const std::string& error) { on_reply(*reply, error); });
  }

  // For several commands: send() each, then expect() the `replies` that matter, one by one, after `skipped` others.
  void send(const Command& command) { link_->send(command); }
  void expect(std::size_t skipped, std::size_t replies, OnOwnReply on_reply);

  // How long the oldest unanswered question has waited without any sign of life; zero when none is open.
  std::chrono::nanoseconds silent_for(BootTime now) const;
  // How long ago the last answer came while no question is open; zero otherwise.
  std::chrono::nanoseconds idle_for(BootTime now) const;

 private:
  struct Expected {
    std::size_t skipped;
    std::size_t replies;
    OnOwnReply on_reply;
  };
  void on_reply(Reply reply);

  std::deque<Expected> expected_;
  std::string skipped_error_;
  BootTime last_sign_ = boot_now();
  std::unique_ptr<LoopLink> link_;
};

}  // namespace bifrost::agent
