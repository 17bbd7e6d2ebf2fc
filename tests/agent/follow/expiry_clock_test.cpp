#include "agent/follow/expiry_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bifrost::agent {
namespace {

std::vector<std::string> due(ExpiryClock& clock, std::uint64_t now) {
  std::vector<std::string> paths;
  clock.take_due({now}, [&](ModulePathView path) { paths.emplace_back(path.text()); });
  return paths;
}

TEST(ExpiryClock, NamesEachPathOnceWhenItsDeadlineHasPassed) {
  ExpiryClock clock;
  clock.set("late.py", {20});
  clock.set("early.py", {10});
  EXPECT_THAT(due(clock, 9), ::testing::IsEmpty());
  EXPECT_THAT(due(clock, 20), ::testing::ElementsAre("early.py", "late.py"));
  EXPECT_THAT(due(clock, 99), ::testing::IsEmpty());
}

TEST(ExpiryClock, ANewDeadlineReplacesTheOld) {
  ExpiryClock clock;
  clock.set("a.py", {10});
  clock.set("a.py", {30});
  EXPECT_THAT(due(clock, 20), ::testing::IsEmpty());
  EXPECT_THAT(due(clock, 30), ::testing::ElementsAre("a.py"));
  clock.set("a.py", {40});
  clock.forget("a.py");
  EXPECT_THAT(due(clock, 40), ::testing::IsEmpty());
}

}  // namespace
}  // namespace bifrost::agent
