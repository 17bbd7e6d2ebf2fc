// shim_counters.hpp - this process' counters. Names and meanings: common/telemetry/worker_counters.hpp.
//
// Concurrency: any thread; relaxed, since a reader wants recent numbers and no order between them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "common/telemetry/worker_counters.hpp"

namespace bifrost {

using ShimCounter = WorkerCounter;
inline constexpr auto& kShimCounterInfo = kWorkerCounterInfo;

class ShimCounters {
 public:
  void add(ShimCounter c, std::uint64_t n = 1) {
    values_[static_cast<std::size_t>(c)].fetch_add(n, std::memory_order_relaxed);
  }
  std::uint64_t get(ShimCounter c) const {
    return values_[static_cast<std::size_t>(c)].load(std::memory_order_relaxed);
  }
  // In a child, before it has a second thread.
  void start_anew() {
    for (auto& value : values_) value.store(0, std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(ShimCounter::kCount)> values_{};
};

}  // namespace bifrost
