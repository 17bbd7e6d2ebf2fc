#include "agent/refresh_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

using Doubt = RefreshQueue::Doubt;

std::vector<std::string> paths(const std::vector<PendingPath>& batch) {
  std::vector<std::string> names;
  for (const PendingPath& p : batch) names.push_back(p.path);
  return names;
}

TEST(RefreshQueue, APathWaitsOnceUnderItsFirstMark) {
  RefreshQueue queue;
  queue.mark("a", {1});
  queue.mark("b", {2});
  queue.mark("a", {3});
  EXPECT_EQ(queue.waiting(), 2u);
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{1});
  EXPECT_THAT(paths(queue.take(10)), ::testing::ElementsAre("a", "b"));
}

TEST(RefreshQueue, WhatIsBeingReadStaysPendingUntilApplied) {
  RefreshQueue queue;
  queue.mark("a", {5});
  queue.take(10);
  EXPECT_FALSE(queue.idle());
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{5});
  queue.finish_oldest_batch();
  EXPECT_TRUE(queue.idle());
  EXPECT_EQ(queue.oldest_pending(), RefreshQueue::kNothingPending);
}

TEST(RefreshQueue, AMarkDuringTheReadQueuesThePathAgain) {
  RefreshQueue queue;
  queue.mark("a", {5});
  queue.take(10);
  queue.mark("a", {6});
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{6});
  EXPECT_THAT(paths(queue.take(10)), ::testing::ElementsAre("a"));
}

TEST(RefreshQueue, WhatIsBeingReadCanBeMarkedAsAWhole) {
  RefreshQueue queue;
  queue.mark("a", {1});
  queue.mark("b", {2});
  queue.take(10);
  queue.mark("c", {3});
  queue.mark_in_flight({4});
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{3});
  EXPECT_THAT(paths(queue.take(10)), ::testing::ElementsAre("c", "a", "b"));
}

TEST(RefreshQueue, BatchesAreBoundedAndInOrder) {
  RefreshQueue queue;
  for (std::uint64_t i = 1; i <= 5; ++i) queue.mark(std::to_string(i), {i});
  EXPECT_THAT(paths(queue.take(2)), ::testing::ElementsAre("1", "2"));
  EXPECT_THAT(paths(queue.take(2)), ::testing::ElementsAre("3", "4"));
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{3});
}

TEST(RefreshQueue, TheLastWordOnDeletionCounts) {
  RefreshQueue queue;
  queue.mark("a", {1}, Doubt::kDeleted);
  queue.mark("a", {2}, Doubt::kUnspecific);
  queue.mark("b", {3}, Doubt::kDeleted);
  queue.mark("b", {4}, Doubt::kChanged);
  const auto batch = queue.take(10);
  EXPECT_TRUE(batch[0].explicitly_deleted);
  EXPECT_FALSE(batch[1].explicitly_deleted);
}

}  // namespace
}  // namespace bifrost::agent
