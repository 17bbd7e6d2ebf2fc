// mirror_diff.hpp - compares the newest segment with Redis, module by module, in bounded batches.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/redis/module_value.hpp"
#include "common/redis/redis_client.hpp"
#include "tools/cachectl/command.hpp"
#include "tools/cachectl/module_entry.hpp"

namespace bifrost::cachectl {

struct Difference {
  enum class Kind { kMissing, kExtra, kDifferent };
  ModulePath path;
  Kind kind;
  std::string what;  // a few words
};

std::string_view name_of(Difference::Kind kind);

struct DiffReport {
  std::vector<Difference> differences;  // by path
  std::uint64_t compared = 0;           // modules whose bytes were compared
  std::uint64_t retained = 0;           // gone from Redis without a delete, kept on purpose
  std::uint64_t not_mirrored = 0;       // left to Redis on purpose
  std::uint64_t refused = 0;            // keys in Redis under paths that no module can have
};

class MirrorDiff {
 public:
  // Compares paths that begin with `prefix`. `context` and `redis` outlive this.
  MirrorDiff(Context& context, RedisClient& redis, std::string prefix)
      : context_(context), redis_(redis), prefix_(std::move(prefix)) {}

  Status run();
  const DiffReport& report() const { return report_; }

 private:
  Result<std::vector<ModulePath>> paths_in_redis();
  // What differs for these paths now; counts what is the same if `counting`.
  Result<std::vector<Difference>> compare(const std::vector<ModulePath>& paths, bool counting);
  Status compare_batch(const Segment& segment, const std::vector<ModulePath>& paths, bool counting,
                       std::vector<Difference>& found);

  Context& context_;
  RedisClient& redis_;
  std::string prefix_;
  ModuleValueParser parser_;
  DiffReport report_;
};

}  // namespace bifrost::cachectl
