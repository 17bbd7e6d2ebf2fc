#include "shim/core/telemetry.hpp"

#include <chrono>

namespace bifrost {
namespace {

constexpr std::chrono::seconds kTelemetryPeriod(1);

}  // namespace

void Telemetry::report(const ShimCounters& counters) {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  last_ = boot_now();
  WorkerTotals now{};
  WorkerTotals fresh{};
  bool any = false;
  for (std::size_t i = 0; i < now.size(); ++i) {
    now[i] = counters.get(static_cast<ShimCounter>(i));
    fresh[i] = now[i] - reported_[i];
    any = any || fresh[i] != 0;
  }
  if (any && add_telemetry(dir_, fresh)) reported_ = now;
}

void Telemetry::report_if_due(const ShimCounters& counters) {
  if (!enabled_) return;
  {
    const std::lock_guard lock(mutex_);
    if (boot_now().since(last_) < kTelemetryPeriod) return;
  }
  report(counters);
}

}  // namespace bifrost
