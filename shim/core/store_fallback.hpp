// store_fallback.hpp - settles what Redis cannot: whether a name is in the platform's store.
//
// A store that is not complete in Redis (BIFROST_COMPLETE=0) proves nothing by a miss, and a directory there need not
// be a namespace: its `__init__.py` may be what is missing. Either is settled here before another root may answer. A
// question that times out opens a circuit breaker at once, any other failure the third time in a row: a store that is
// down must not cost a time-out per import.
// Concurrency: any thread. No mutex is held while somebody asks or waits.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "shim/core/circuit_breaker.hpp"
#include "shim/core/shim_counters.hpp"
#include "shim/core/view.hpp"
#include "shim/core/whole_store.hpp"

namespace bifrost {

class StoreFallback {
 public:
  static constexpr int kFailuresInARow = 3;

  StoreFallback(bool complete, ShimCounters& counters) : complete_(complete), counters_(counters) {}

  // Whether Redis holds every module, so that a miss there is an answer.
  bool redis_is_complete() const { return complete_; }

  // Whom to ask from now on; null: nobody. Before other threads import.
  void ask_of(std::shared_ptr<WholeStore> store) { store_ = std::move(store); }
  bool has_store() const { return store_ != nullptr; }
  // False as well in the thread of a client that is being asked.
  bool may_ask() const { return store_ != nullptr && store_->may_ask(); }

  // What the store has of `node`, which `view` admits: as it was said earlier in this execution, or nothing.
  std::optional<StoreAnswer> known(const View& view, const ModuleNode& node) const;
  // The same, asked if need be. kFailed when nobody could be asked.
  StoreAnswer settle(const View& view, const ModuleNode& node);

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  StoreAnswer ask(const std::string& root, const ModuleNode& node);
  void learn_from(const StoreAnswer& answer);

  const bool complete_;
  ShimCounters& counters_;
  std::shared_ptr<WholeStore> store_;

  std::mutex mutex_;
  CircuitBreaker breaker_;
  int failures_in_a_row_ = 0;
  std::string last_error_;
};

}  // namespace bifrost
