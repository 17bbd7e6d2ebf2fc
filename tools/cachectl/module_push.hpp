// module_push.hpp - modules on their way into Redis, in the writers' contract and in bounded batches.
//
// A write is SETEX key ttl json, then SADD index path; a delete is DEL key, then SREM index path, as every other writer
// of the platform does it. A push that fits one batch is one MULTI. A larger one is sent batch by batch, each answered
// before the next one is filled, while the key is set that tells agents of a deploy.
// (P1) That key is changed only while it is nobody's or holds this push's name: WATCH sees to that.
// (P2) It has a time to live that outlasts a batch, renewed before each, so that a push that dies does not hold agents
// up for long.
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
  ModulePush(RedisClient& redis, std::uint64_t ttl_seconds);

  // Queues; sends when the batch is full. `source` is UTF-8. After an error, which is Redis' own or kTimeout when
  // another push does not come to an end, nothing more may be sent.
  Status write(ModulePathView path, std::string_view source);
  Status remove(ModulePathView path);
  // Sends what is queued; then the push is over, and what comes next is another one.
  Status finish();

  // Whether Redis has exactly this as the module. Errors: also kPermission, when this user may not read it.
  Result<bool> holds(ModulePathView path, std::string_view source);

  // The members of the index that are modules below `prefix`; those of solutions only if it leads there. What can be no
  // module is left alone.
  Result<std::set<ModulePath>> indexed_modules(std::string_view prefix);

 private:
  struct Change {
    std::string path;
    std::string key;
    std::string value;  // empty: a delete; the JSON of a module never is
  };
  // Whose the key of deploys is.
  enum class Holder { kNobody, kThisPush, kAnotherPush, kSomebodyElse };
  struct Deploy {
    Holder holder;
    std::string value;
  };

  Status queue(Change change);
  Status send(bool last);
  Status send_batch(bool together);
  // Sets the key, or renews it. Waits for the end of another push; what the user has begun is left alone.
  Status hold_deploy();
  // Deletes the key, if it is still this push's.
  Status end_deploy();
  // Carries out `command` on the key, if it is nobody's or this push's. Whose it was.
  Result<Deploy> change_deploy(const bifrost::Command& command);
  // Watches the key and opens a transaction: nothing that belongs into one is sent where there is none.
  Result<Deploy> look_at_deploy(const Deadline& deadline);

  RedisClient& redis_;
  std::string ttl_;
  std::vector<Change> batch_;
  std::size_t batch_bytes_ = 0;
  ModuleValueParser parser_;
  std::string name_;
  bool begun_ = false;             // a batch has been sent, and another is to come
  bool holds_ = false;             // the key is this push's, or may be
  Holder said_ = Holder::kNobody;  // that it is theirs
};

}  // namespace bifrost::cachectl
