// circuit_breaker.hpp - keeps a dead Redis from costing a time-out per import.
//
// After a failure it refuses for a back-off that doubles from kFirst to kLongest; one success closes it again.
// Time is an argument. Plain value: its owner synchronises.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/base/clock.hpp"

namespace bifrost {

class CircuitBreaker {
 public:
  static constexpr std::chrono::milliseconds kFirst{1000};
  static constexpr std::chrono::milliseconds kLongest{30'000};

  bool allows(BootTime now) const { return now >= refuses_until_; }

  void succeeded() { *this = CircuitBreaker(); }

  void failed(BootTime now) {
    refuses_until_ = now + next_;
    next_ = std::min(next_ * 2, kLongest);
  }

 private:
  BootTime refuses_until_;
  std::chrono::milliseconds next_ = kFirst;
};

}  // namespace bifrost
