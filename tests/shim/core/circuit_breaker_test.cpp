#include "shim/core/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

using std::chrono::milliseconds;

constexpr BootTime kStart{5'000'000'000};

TEST(CircuitBreakerTest, LetsEverythingThroughAtFirst) {
  EXPECT_TRUE(CircuitBreaker().allows(kStart));
}

TEST(CircuitBreakerTest, RefusesForASecondAfterAFailure) {
  CircuitBreaker breaker;
  breaker.failed(kStart);
  EXPECT_FALSE(breaker.allows(kStart));
  EXPECT_FALSE(breaker.allows(kStart + milliseconds(999)));
  EXPECT_TRUE(breaker.allows(kStart + milliseconds(1000)));
}

TEST(CircuitBreakerTest, DoublesTheBackOffUpToHalfAMinute) {
  CircuitBreaker breaker;
  for (int i = 0; i < 3; ++i) breaker.failed(kStart);
  EXPECT_FALSE(breaker.allows(kStart + milliseconds(3999)));
  EXPECT_TRUE(breaker.allows(kStart + milliseconds(4000)));
  for (int i = 0; i < 40; ++i) breaker.failed(kStart);
  EXPECT_FALSE(breaker.allows(kStart + milliseconds(29'999)));
  EXPECT_TRUE(breaker.allows(kStart + milliseconds(30'000)));
}

TEST(CircuitBreakerTest, StartsOverAfterASuccess) {
  CircuitBreaker breaker;
  for (int i = 0; i < 5; ++i) breaker.failed(kStart);
  breaker.succeeded();
  EXPECT_TRUE(breaker.allows(kStart));
  breaker.failed(kStart);
  EXPECT_TRUE(breaker.allows(kStart + milliseconds(1000)));
}

}  // namespace
}  // namespace bifrost
