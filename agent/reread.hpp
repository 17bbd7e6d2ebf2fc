// reread.hpp - one batch of re-reads: the commands of its MULTI, and what its EXEC says about each path.
//
// Per path PTTL (does the key exist?), GETRANGE up to one byte past the limit (its value, and never more memory than
// the limit; GET would take whatever is there) and SISMEMBER of the index; TYPE of the index once. One MULTI, so that
// value and index entry are of one instant, and so are all values of the batch. Pure: no connection.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/refresh_queue.hpp"
#include "agent/retention.hpp"
#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

// What Redis says about one path.
struct Observation {
  enum class Kind { kValue, kVanished, kWrongType, kTooBig };

  Kind kind = Kind::kVanished;
  std::string_view path;
  std::string_view value;  // kValue: points into the reply
  IndexEntry index = IndexEntry::kUnknown;
  bool explicitly_deleted = false;
};

class Reread {
 public:
  Reread(std::vector<PendingPath> paths, std::uint64_t max_module_bytes);

  // Sends MULTI ... EXEC through `send`; commands_sent() replies precede the EXEC's.
  void send(const std::function<void(const Command&)>& send) const;
  std::size_t commands_before_exec() const { return 2 + 3 * paths_.size(); }

  // Reports every path of the batch. Errors: kRefused, when Redis did not execute the batch.
  Status read(const redisReply& exec, const std::function<void(const Observation&)>& report) const;

  const std::vector<PendingPath>& paths() const { return paths_; }

 private:
  std::vector<PendingPath> paths_;
  std::uint64_t max_module_bytes_;
};

}  // namespace bifrost::agent
