// module_push.hpp - modules on their way into Redis, in the writers' contract and in bounded batches.
//
// A write is SETEX key ttl json, then SADD index path; a delete is DEL key, then SREM index path, as every other writer
// of the platform does it. A push that fits one batch is one MULTI. A larger one is sent batch by batch, each answered
// before the next one is filled, between setting and deleting the key that tells agents of a deploy; it has a time to
// live that outlasts a batch, so that a push that dies does not hold agents up for long.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/redis/module_value.hpp"
#include "common/redis/redis_client.hpp"

namespace bifrost::cachectl {

class ModulePush {
 public:
  ModulePush(RedisClient& redis, std::uint64_t ttl_seconds) : redis_(redis), ttl_(std::to_string(ttl_seconds)) {}

  // Queues; sends when the batch is full. `source` is UTF-8. Errors are Redis' own, after which nothing more is sent.
  Status write(ModulePathView path, std::string_view source);
  Status remove(ModulePathView path);
  // Sends what is queued; then the push is over, and what comes next is another one.
  Status finish();

  // Whether Redis has exactly this as the module. Errors: also kRefused, when this user may not read it.
  Result<bool> holds(ModulePathView path, std::string_view source);

  // The members of the index that are modules outside `_solutions/`; what can be no module is left alone.
  Result<std::set<ModulePath>> indexed_modules();

 private:
  struct Change {
    std::string path;
    std::string key;
    std::string value;  // empty: a delete; the JSON of a module never is
  };
  Status queue(Change change);
  Status send(bool last);

  RedisClient& redis_;
  std::string ttl_;
  std::vector<Change> batch_;
  std::size_t batch_bytes_ = 0;
  ModuleValueParser parser_;
  bool deploying_ = false;  // the key has been set
};

}  // namespace bifrost::cachectl
