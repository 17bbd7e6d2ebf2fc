// telemetry.hpp - hands this process' counters to the node's telemetry file, now and then and at the end.
//
// Nothing depends on it: when it cannot, the numbers are kept for the next time. Any thread.
#pragma once

#include <mutex>
#include <string>

#include "common/base/clock.hpp"
#include "common/telemetry/telemetry_file.hpp"
#include "shim/core/shim_counters.hpp"

namespace bifrost {

class Telemetry {
 public:
  Telemetry(std::string dir, bool enabled) : dir_(std::move(dir)), enabled_(enabled), last_(boot_now()) {}

  // What was counted since the last time.
  void report(const ShimCounters& counters);
  // The same, but not more often than once per second: for the beginning of an execution.
  void report_if_due(const ShimCounters& counters);

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }
  // In a child whose counters begin at zero: what the parent has counted is the parent's to report.
  void start_anew_in_child() {
    reported_ = {};
    last_ = boot_now();
    unlock_after_fork();
  }

 private:
  const std::string dir_;
  const bool enabled_;
  std::mutex mutex_;
  WorkerTotals reported_{};
  BootTime last_;
};

}  // namespace bifrost
