#include "agent/follow/refresh_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/path_of.hpp"

namespace bifrost::agent {
namespace {

using Doubt = RefreshQueue::Doubt;

constexpr std::uint64_t kPlenty = 1u << 30;  // bytes

std::vector<std::string> paths(const std::vector<PendingPath>& batch) {
  std::vector<std::string> names;
  for (const PendingPath& p : batch) names.push_back(p.path.text());
  return names;
}

TEST(RefreshQueue, APathWaitsOnceUnderItsFirstMark) {
  RefreshQueue queue;
  queue.mark("a.py", {1});
  queue.mark("b.py", {2});
  queue.mark("a.py", {3});
  EXPECT_EQ(queue.waiting(), 2u);
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{1});
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("a.py", "b.py"));
}

TEST(RefreshQueue, WhatIsBeingReadStaysPendingUntilApplied) {
  RefreshQueue queue;
  queue.mark("a.py", {5});
  queue.take(10, kPlenty);
  EXPECT_FALSE(queue.idle());
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{5});
  queue.finish_oldest_batch();
  EXPECT_TRUE(queue.idle());
  EXPECT_EQ(queue.oldest_pending(), RefreshQueue::kNothingPending);
}

TEST(RefreshQueue, AMarkDuringTheReadQueuesThePathAgain) {
  RefreshQueue queue;
  queue.mark("a.py", {5});
  queue.take(10, kPlenty);
  queue.mark("a.py", {6});
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{6});
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("a.py"));
}

TEST(RefreshQueue, WhatIsBeingReadCanBeMarkedAsAWhole) {
  RefreshQueue queue;
  queue.mark("a.py", {1});
  queue.mark("b.py", {2});
  queue.take(10, kPlenty);
  queue.mark("c.py", {3});
  queue.mark_in_flight({4});
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{3});
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("c.py", "a.py", "b.py"));
}

TEST(RefreshQueue, BatchesAreBoundedAndInOrder) {
  RefreshQueue queue;
  for (std::uint64_t i = 1; i <= 5; ++i) queue.mark(path_of(std::to_string(i) + ".py"), {i});
  EXPECT_THAT(paths(queue.take(2, kPlenty)), ::testing::ElementsAre("1.py", "2.py"));
  EXPECT_THAT(paths(queue.take(2, kPlenty)), ::testing::ElementsAre("3.py", "4.py"));
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{3});
}

TEST(RefreshQueue, TheLastWordOnDeletionCounts) {
  RefreshQueue queue;
  queue.mark("a.py", {1}, Doubt::kDeleted);
  queue.mark("a.py", {2}, Doubt::kUnspecific);
  queue.mark("b.py", {3}, Doubt::kDeleted);
  queue.mark("b.py", {4}, Doubt::kChanged);
  const auto batch = queue.take(10, kPlenty);
  EXPECT_TRUE(batch[0].explicitly_deleted);
  EXPECT_FALSE(batch[1].explicitly_deleted);
}

TEST(RefreshQueue, BatchesAreBoundedByTheBytesThatTheirAnswersMayHold) {
  RefreshQueue queue;
  for (std::uint64_t i = 1; i <= 5; ++i) queue.mark(path_of(std::to_string(i) + ".py"), {i});
  EXPECT_THAT(paths(queue.take(10, 2 * PendingPath::kSmallBytes)), ::testing::ElementsAre("1.py", "2.py"));
  EXPECT_THAT(paths(queue.take(10, 1)), ::testing::ElementsAre("3.py")) << "one is taken whatever its size";
}

TEST(RefreshQueue, WhatMustBeReadAgainStaysPendingAndGoesFirst) {
  RefreshQueue queue;
  queue.mark("giant.py", {1});
  PendingPath giant = queue.take(10, kPlenty).front();
  queue.mark("giant.py", {2});
  queue.mark("other.py", {3});
  giant.read = PendingPath::Read::kSized;
  giant.size_bytes = 1000;
  queue.read_again(giant);
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{1});
  EXPECT_THAT(paths(queue.take(1, kPlenty)), ::testing::ElementsAre("giant.py"));
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{1});
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{2});
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("giant.py", "other.py"));
}

TEST(RefreshQueue, AsksForPresenceWhereSomethingMayBeGone) {
  RefreshQueue queue;
  queue.mark("written.py", {1}, RefreshQueue::Doubt::kChanged);
  queue.mark("deleted.py", {2}, RefreshQueue::Doubt::kDeleted);
  queue.mark("written.py", {3}, RefreshQueue::Doubt::kUnspecific);
  auto batch = queue.take(10, 1 << 20);
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_FALSE(batch[0].with_presence);
  EXPECT_TRUE(batch[1].with_presence);
  queue.mark_in_flight({4});
  batch = queue.take(10, 1 << 20);
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_TRUE(batch[0].with_presence) << "it may have been read before its deletion";
  EXPECT_FALSE(batch[0].explicitly_deleted) << "that it is gone does not say why";
}

}  // namespace
}  // namespace bifrost::agent
