// loop_link.hpp - a connection to Redis on the event loop.
//
// Finds the server, connects to the first address that answers, authenticates and selects, then hands over every reply
// as it comes. What the replies mean is the owner's business. Belongs to the loop's thread.
// (L1) After on_broken nothing is called any more.
// (L2) The owner must not destroy the link from inside a callback, but in a later turn of the loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/loop/event_loop.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

class LoopLink {
 public:
  struct Callbacks {
    std::function<void()> on_ready;              // authenticated, database selected
    std::function<void(Reply)> on_reply;         // after on_ready: one call per reply or message
    std::function<void()> on_drained;            // what was received in this turn has been handed over
    std::function<void(std::string)> on_broken;  // one sentence
  };

  // For servers whose address has to be asked for first: starts a search, which calls `on_found` once, in a later turn
  // of the loop, with a URL of host and port or path. Destroying what it returns ends the search.
  using OnFound = std::function<void(Result<RedisUrl>)>;
  using FindServer = std::function<std::shared_ptr<void>(OnFound on_found)>;

  // Without `find_server`, `url` says where the server is.
  LoopLink(uv_loop_t* loop, RedisUrl url, Callbacks callbacks, const FindServer& find_server = {});
  ~LoopLink();
  LoopLink(const LoopLink&) = delete;
  LoopLink& operator=(const LoopLink&) = delete;

  // After on_ready: the URL with the address that was found. A second link to the very same
  // server starts from it.
  const RedisUrl& reached() const { return url_; }
  // The same as whoever was asked for the server named it: its host may be a name.
  const RedisUrl& named() const { return named_; }

  // Queues a command; it is sent before the loop waits again.
  void send(const Command& command);

 private:
  void find_addresses();
  void try_next_address();
  void start();
  void on_connect_failed(const std::string& why);
  void on_ready(bool readable, bool writable);
  void shake_hands();
  void take_handshake_reply(const redisReply& reply);
  void pump_input();
  void pump_output();
  void break_off(const std::string& why);

  uv_loop_t* loop_;
  RedisUrl url_;
  RedisUrl named_;
  Callbacks callbacks_;
  std::shared_ptr<void> search_;
  std::unique_ptr<Resolver> resolver_;
  std::vector<std::string> addresses_;  // not tried yet, the next one at the end
  std::string failures_;                // of those tried
  std::optional<RedisLink> link_;
  std::unique_ptr<Poller> poller_;  // declared after link_: it must go first
  std::unique_ptr<Timer> patience_;
  std::unique_ptr<Timer> retry_;
  std::unique_ptr<BeforeWait> flush_;
  bool connected_ = false;
  bool broken_ = false;
  std::size_t handshake_left_ = 0;
};

}  // namespace bifrost::agent
