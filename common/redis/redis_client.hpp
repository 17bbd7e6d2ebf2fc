// redis_client.hpp - a connection for programs that may wait, but never past a deadline.
//
// Used by the shim's fallback and by bifrost-cachectl. A reply that dribbles in byte by byte is cut off at the
// deadline like one that never comes. After any error the connection is broken for good: connect again.
// Concurrency: one thread at a time. Not to be shared across fork.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/kept_descriptor.hpp"
#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"
#include "common/redis/redis_url.hpp"

namespace bifrost {

class RedisClient {
 public:
  // Connects to the first address of the host that answers, authenticates and selects the database. Errors:
  // kUnreachable, kTimeout, kRefused (credentials).
  // Cost: one round trip each. A host name is resolved by getaddrinfo, which has its own time-outs.
  static Result<RedisClient> connect(const RedisUrl& url, const Deadline& deadline);

  // One command, one reply. An error reply of Redis is returned as a reply (is_error), not as an Error.
  Result<Reply> command(const Command& command, const Deadline& deadline);

  // Sends all, then collects one reply each, in order.
  Result<std::vector<Reply>> pipeline(const std::vector<Command>& commands, const Deadline& deadline);

  // Sends several pipelines at once. The answers to the first have until `deadline`, those to each further one
  // `patience` from the ones before; `on_answered` gets them as they come, in order. Errors: why the next did not come.
  Status pipelines(const std::vector<std::vector<Command>>& groups, const Deadline& deadline,
                   std::chrono::milliseconds patience,
                   const std::function<void(const std::vector<Reply>& replies)>& on_answered);

  bool usable() const { return usable_; }

  // To tell what has become of a connection that was kept; one that is taken is to be abandoned.
  KeptDescriptor kept() const { return KeptDescriptor(link_.fd()); }
  void abandon() { link_.abandon(); }

 private:
  explicit RedisClient(RedisLink link) : link_(std::move(link)) {}
  static Result<RedisClient> reach(const RedisUrl& url, const Deadline& deadline);
  static Result<RedisClient> open(const RedisUrl& url, const Deadline& deadline);
  Result<std::vector<Reply>> exchange(std::size_t replies, const Deadline& deadline);
  Status wait(short events, const Deadline& deadline);

  RedisLink link_;
  bool usable_ = true;
};

}  // namespace bifrost
