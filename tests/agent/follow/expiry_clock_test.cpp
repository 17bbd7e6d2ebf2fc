#include "agent/follow/expiry_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bifrost::agent {
namespace {

std::vector<std::string> due(ExpiryClock& clock, std::uint64_t now) {
  std::vector<std::string> paths;
  clock.take_due({now}, [&](const std::string& path) { paths.push_back(path); });
  return paths;
}

TEST(ExpiryClock, NamesEachPathOnceWhenItsDeadlineHasPassed) {
  ExpiryClock clock;
  clock.set("late", {20});
  clock.set("early", {10});
  EXPECT_THAT(due(clock, 9), ::testing::IsEmpty());
  EXPECT_THAT(due(clock, 20), ::testing::ElementsAre("early", "late"));
  EXPECT_THAT(due(clock, 99), ::testing::IsEmpty());
}

TEST(ExpiryClock, ANewDeadlineReplacesTheOld) {
  ExpiryClock clock;
  clock.set("a", {10});
  clock.set("a", {30});
  EXPECT_THAT(due(clock, 20), ::testing::IsEmpty());
  EXPECT_THAT(due(clock, 30), ::testing::ElementsAre("a"));
  clock.set("a", {40});
  clock.forget("a");
  EXPECT_THAT(due(clock, 40), ::testing::IsEmpty());
}

}  // namespace
}  // namespace bifrost::agent
