// reread.hpp - one batch of re-reads: the commands of its MULTI, and what its EXEC says about each path.
//
// Per path GETRANGE up to one byte past what is expected (its value, and never more memory than planned; GET would take
// whatever is there) or STRLEN. A value says that the key exists. Where there is none, or may be none, PTTL (does the
// key exist?) and SISMEMBER of the index are asked as well, and TYPE of the index once. One MULTI, so that value and
// index entry are of one instant, and so are all values of the batch. Pure: no connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/follow/refresh_queue.hpp"
#include "agent/mirror/observation.hpp"
#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

class Reread {
 public:
  Reread(std::vector<PendingPath> paths, std::uint64_t max_module_bytes);

  // Sends MULTI ... EXEC through `send`; commands_sent() replies precede the EXEC's.
  void send(const std::function<void(const Command&)>& send) const;
  std::size_t commands_before_exec() const { return 1 + answers(); }

  // Reports every path of the batch, in order. Errors: kRefused, when Redis did not execute the batch.
  using Report = std::function<void(const PendingPath& asked, const Observation& seen)>;
  Status read(const redisReply& exec, const Report& report) const;

  const std::vector<PendingPath>& paths() const { return paths_; }

 private:
  std::size_t answers() const;  // that the EXEC holds
  Observation observe(const PendingPath& asked, const redisReply* ttl, const redisReply& value) const;

  std::vector<PendingPath> paths_;
  std::uint64_t max_module_bytes_;
  bool asks_index_ = false;
};

}  // namespace bifrost::agent
