// metrics.hpp - what the agent exports to Prometheus: the segment's counters, its state, and two histograms.
//
// Names: `bifrost_`, base units, no label whose values are not a handful of words; never a module's path. Counters come
// from common/layout/counters.hpp, gauges from the table in metrics.cpp: nothing is named twice. Belongs to the loop's
// thread. prometheus-cpp's core library keeps and writes the numbers; docs/design/0050 says why not its server.
#pragma once

#include <prometheus/histogram.h>

#include <chrono>
#include <optional>
#include <string>

#include "common/base/clock.hpp"
#include "common/reader/segment.hpp"
#include "common/telemetry/telemetry_file.hpp"

namespace bifrost::agent {

class Metrics {
 public:
  Metrics();

  // From the first message about a change to the commit that makes it visible.
  void observe_update(std::chrono::nanoseconds delay);
  // From a fence's first PING to its last PONG.
  void observe_fence(std::chrono::nanoseconds time);

  // The text format, version 0.0.4. `info` is the agent's own segment at `now`; `workers`, which nobody vouches for, is
  // what the workers say that they counted.
  std::string text(const SegmentInfo& info, const std::optional<WorkerTotals>& workers, BootTime now) const;

 private:
  prometheus::Histogram update_delay_;
  prometheus::Histogram fence_time_;
};

// What /readyz answers: {"ready": true, "checks": {...}}; ready means the same as in `bifrost-cachectl status`.
struct Readiness {
  bool ready = false;
  std::string body;
};
Readiness readiness(const SegmentInfo& info, BootTime now);

}  // namespace bifrost::agent
