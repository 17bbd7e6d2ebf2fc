#include "common/base/clock.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace bifrost {
namespace {

using namespace std::chrono_literals;

TEST(Clock, NeverRunsBackwards) {
  const BootTime first = boot_now();
  const BootTime second = boot_now();
  EXPECT_LE(first, second);
  EXPECT_LE(second.since(first), 1min);
}

TEST(Deadline, RoundsItsWaitUpSoThatPollDoesNotSpin) {
  EXPECT_EQ(Deadline::at(BootTime{0}).poll_timeout_ms(), 0);
  EXPECT_TRUE(Deadline::at(BootTime{0}).passed());
  const Deadline soon(100us);
  EXPECT_LE(soon.poll_timeout_ms(), 1);
  const Deadline later(10min);
  EXPECT_FALSE(later.passed());
  EXPECT_GT(later.poll_timeout_ms(), 500'000);
}

TEST(Deadline, BeyondWhatPollCanExpressIsALongWaitAndNotAnEndlessOne) {
  EXPECT_EQ(Deadline(24h * 25).poll_timeout_ms(), std::numeric_limits<int>::max());
  EXPECT_EQ(Deadline(24h * 36'500).poll_timeout_ms(), std::numeric_limits<int>::max());
}

}  // namespace
}  // namespace bifrost
