// redis_fallback.hpp - asks Redis what the mirror cannot answer, within a fixed time.
//
// Bounds: one question takes at most kConnectBudget to connect and kQuestionBudget in all; then the breaker opens and
// further questions fail at once until its back-off ends. (Resolving a host name is the C library's business and
// outside these bounds: give workers an address or a local resolver.)
// Concurrency: any thread. A question takes the idle connection or opens another; no mutex is held while it waits.
// Forked children never use their parent's connection.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/module_path.hpp"
#include "common/redis/redis_client.hpp"
#include "shim/core/around_wait.hpp"
#include "shim/core/circuit_breaker.hpp"
#include "shim/core/last_reads.hpp"
#include "shim/core/path_index.hpp"
#include "shim/core/shim_counters.hpp"

namespace bifrost {

// One storage path in Redis.
struct FileInRedis {
  enum class Kind { kAbsent, kSource, kBadValue };
  Kind kind = Kind::kAbsent;
  std::optional<ModulePath> path;  // unless kAbsent: which of those that were asked for
  std::string content;             // kSource
  std::string hash;                // kSource
  std::string reason;              // kBadValue: a few words
  // kAbsent: what the index says of the paths. It may hold one whose key has expired.
  bool listed = false;
  bool index_exists = false;
};

class RedisFallback {
 public:
  static constexpr std::chrono::milliseconds kConnectBudget{200};
  static constexpr std::chrono::milliseconds kQuestionBudget{1000};

  // A URL that cannot be used is not an error here: every question then fails and says why.
  RedisFallback(std::string_view url, AroundWait around_wait, ShimCounters& counters, LastReads& last_reads);
  ~RedisFallback() { let_go(); }
  RedisFallback(const RedisFallback&) = delete;
  RedisFallback& operator=(const RedisFallback&) = delete;

  // A question: the first of these paths that exists.
  using Question = std::vector<ModulePathView>;

  // kAbsent when none exists. In one round trip.
  // Errors (each a clause that names the cause): kUnreachable, kTimeout, kRefused, kInvalidArgument (the URL).
  Result<FileInRedis> first_of(const Question& paths);

  // The answers to these, in one round trip, in their order: up to and including the first that could not be had. Each
  // has the time of a question of its own.
  std::vector<Result<FileInRedis>> first_of_each(const std::vector<Question>& questions);

  // The first of `paths` that the index lists, or nothing. For whoever explains a failure: no news from Redis.
  // Errors: as first_of().
  Result<std::optional<ModulePath>> first_listed(const Question& paths, const Deadline& deadline);

  // The index, read once and kept until forget_index() or until it is older than `max_age`.
  Result<std::shared_ptr<const PathIndex>> index(std::chrono::milliseconds max_age);
  void forget_index();

  // Whether Redis answers. Asked at the start of an execution, so it tries even when the breaker is open.
  Status ping(const Deadline& deadline);

  // The run id of the server that answers; "" when it may not be asked for. Errors: as first_of().
  Result<std::string> run_id();

  LastReads& last_reads() { return last_reads_; }

  // Closes the connection that is kept between questions.
  void let_go();

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }
  // In a child: its copy of the connection is closed. What Redis has answered stays known.
  void start_anew_in_child() {
    static_cast<void>(take_idle());
    unlock_after_fork();
  }

 private:
  using Work = std::function<Status(RedisClient&, const Deadline&)>;

  // kRead: refused while the breaker is open; its answer is news from Redis. kAside: the former only. kProbe: neither.
  enum class Purpose { kRead, kAside, kProbe };
  // Runs `work` on the idle connection or a new one, inside the AroundWait.
  Status ask(const Work& work, const Deadline& deadline, Purpose purpose);
  std::unique_ptr<RedisClient> take_idle();

  const Result<RedisUrl> url_;
  const AroundWait around_wait_;
  ShimCounters& counters_;
  LastReads& last_reads_;

  std::mutex mutex_;
  std::unique_ptr<RedisClient> idle_;
  KeptDescriptor idle_is_;
  CircuitBreaker breaker_;
  std::string last_error_;
  std::shared_ptr<const PathIndex> index_;
  BootTime index_read_;
};

}  // namespace bifrost
