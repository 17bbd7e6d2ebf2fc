#include "agent/follow/fence_waiters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace bifrost::agent {
namespace {

TEST(FenceWaiters, AnswersThoseWhoAskedBeforeTheFenceWasSent) {
  FenceWaiters waiters;
  std::string answered;
  waiters.add({1}, [&](const Result<FenceAnswer>&) { answered += "a"; });
  waiters.add({5}, [&](const Result<FenceAnswer>&) { answered += "b"; });
  EXPECT_TRUE(waiters.any_after({1}));
  waiters.answer_up_to({4}, FenceAnswer{});
  EXPECT_EQ(answered, "a");
  EXPECT_TRUE(waiters.any_after({4}));
  EXPECT_FALSE(waiters.any_after({5}));
  waiters.answer_up_to({5}, FenceAnswer{});
  EXPECT_EQ(answered, "ab");
}

TEST(FenceWaiters, OneWhoAsksAgainFromInsideWaitsForTheNext) {
  FenceWaiters waiters;
  int answers = 0;
  waiters.add({1}, [&](const Result<FenceAnswer>&) {
    ++answers;
    waiters.add({9}, [&](const Result<FenceAnswer>&) { ++answers; });
  });
  waiters.answer_up_to({8}, FenceAnswer{});
  EXPECT_EQ(answers, 1);
  waiters.answer_up_to({9}, FenceAnswer{});
  EXPECT_EQ(answers, 2);
}

}  // namespace
}  // namespace bifrost::agent
