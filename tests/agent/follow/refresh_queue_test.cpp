#include "agent/follow/refresh_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/agent/follow/pending_paths.hpp"
#include "tests/common/path_of.hpp"

namespace bifrost::agent {
namespace {

using Doubt = RefreshQueue::Doubt;

constexpr std::uint64_t kPlenty = 1u << 30;  // bytes

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
  queue.mark_in_flight({4}, Doubt::kGone);
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
  EXPECT_EQ(batch[0].told, PendingPath::Told::kDeletion);
  EXPECT_EQ(batch[1].told, PendingPath::Told::kChange);
}

TEST(RefreshQueue, OnlyWhatRedisSaysOfAWriteAnnouncesIt) {
  RefreshQueue queue;
  queue.mark("a.py", {1}, Doubt::kTouched);
  queue.mark("a.py", {2}, Doubt::kWritten);
  queue.mark("b.py", {3});
  for (const char* path : {"a.py", "b.py"}) {
    for (const Doubt doubt : {Doubt::kUnspecific, Doubt::kChanged, Doubt::kGone, Doubt::kDelisted}) {
      queue.mark(path_of(path), {4}, doubt);
    }
  }
  const auto batch = queue.take(10, kPlenty);
  EXPECT_EQ(batch[0].announced, StreamPosition{2});
  EXPECT_EQ(batch[0].told, PendingPath::Told::kWrite) << "SETEX is told as a write, then as a change";
  EXPECT_EQ(batch[1].announced, std::nullopt);
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
  EXPECT_EQ(queue.oldest_pending(), StreamPosition{3});
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("other.py"))
      << "the message that came during the read is answered by the second question";
}

TEST(RefreshQueue, AMessageJoinsWhatMustBeReadAgain) {
  RefreshQueue queue;
  queue.mark("giant.py", {1});
  PendingPath giant = queue.take(10, kPlenty).front();
  giant.read = PendingPath::Read::kMeasure;
  queue.read_again(giant);
  queue.finish_oldest_batch();
  queue.mark("giant.py", {2}, Doubt::kDeleted);
  const auto batch = queue.take(10, kPlenty);
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].read, PendingPath::Read::kMeasure);
  EXPECT_EQ(batch[0].told, PendingPath::Told::kDeletion);
  EXPECT_EQ(batch[0].first_mark, StreamPosition{1});
}

TEST(RefreshQueue, WhatIsWithdrawnWaitsNoMore) {
  RefreshQueue queue;
  for (const char* path : {"a.py", "b.py", "c.py"}) queue.mark(path_of(path), {7}, Doubt::kDeleted);
  EXPECT_EQ(queue.withdraw({ModulePath("b.py"), {}})->told, PendingPath::Told::kDeletion);
  EXPECT_FALSE(queue.withdraw({ModulePath("b.py"), {}}));
  EXPECT_EQ(queue.waiting(), 2u);
  queue.mark("b.py", {9});
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("a.py", "c.py", "b.py"));
}

TEST(RefreshQueue, OfWhatMayHaveLeftTheIndexOnlyTheEntryIsAskedAndManyFitABatch) {
  RefreshQueue queue;
  queue.mark("a.py", {1});
  for (int i = 0; i < 4001; ++i) queue.mark(path_of("m" + std::to_string(i) + ".py"), {2}, Doubt::kDelisted);
  const auto batch = queue.take(1, kPlenty);
  EXPECT_EQ(batch.size(), 4001u) << "one path, and 4,000 entries";
  EXPECT_EQ(batch.back().read, PendingPath::Read::kEntry);
  EXPECT_FALSE(batch.back().with_presence);
  EXPECT_EQ(queue.waiting(), 1u);
  EXPECT_GT(queue.bytes_in_flight(), 0u);
  queue.finish_oldest_batch();
  EXPECT_EQ(queue.bytes_in_flight(), 0u);
}

TEST(RefreshQueue, WhatIsBeingReadBecomesDoubtfulButForTheNewestBatches) {
  RefreshQueue queue;
  for (const char* path : {"a.py", "b.py", "c.py"}) {
    queue.mark(path_of(path), {1});
    queue.take(1, kPlenty);
  }
  queue.mark_in_flight({2}, Doubt::kGone, 1);
  EXPECT_THAT(paths(queue.take(10, kPlenty)), ::testing::ElementsAre("a.py", "b.py"));
}

TEST(RefreshQueue, ALookAtTheIndexDoesNotSettleAValue) {
  RefreshQueue queue;
  queue.mark("a.py", {1}, Doubt::kDelisted);
  const PendingPath entry = queue.take(1, kPlenty).front();
  queue.mark("a.py", {2}, Doubt::kChanged);
  EXPECT_FALSE(queue.withdraw(entry));
  queue.mark("a.py", {3}, Doubt::kDelisted);
  EXPECT_EQ(queue.take(1, kPlenty).front().read, PendingPath::Read::kSmall);
  queue.mark("a.py", {4}, Doubt::kDelisted);
  queue.mark("a.py", {5}, Doubt::kChanged);
  EXPECT_EQ(queue.take(1, kPlenty).front().read, PendingPath::Read::kSmall) << "the value is asked for as well";
  queue.mark("a.py", {6}, Doubt::kDelisted);
  EXPECT_TRUE(queue.withdraw(entry));
}

TEST(RefreshQueue, ALongValueIsAskedForByItsSizeAtOnce) {
  RefreshQueue queue;
  queue.expect_size("sdk.py", 400'000);
  queue.mark("sdk.py", {1});
  const PendingPath asked = queue.take(10, kPlenty).front();
  EXPECT_EQ(asked.read, PendingPath::Read::kSized);
  EXPECT_EQ(asked.size_bytes, 450'000u) << "it may have grown by an eighth";
  queue.expect_size("sdk.py", 10);
  queue.mark("sdk.py", {2});
  EXPECT_EQ(queue.take(10, kPlenty).front().read, PendingPath::Read::kSmall);
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
  queue.mark_in_flight({4}, Doubt::kGone);
  batch = queue.take(10, 1 << 20);
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_TRUE(batch[0].with_presence) << "it may have been read before its deletion";
  EXPECT_NE(batch[0].told, PendingPath::Told::kDeletion) << "that it is gone does not say why";
}

}  // namespace
}  // namespace bifrost::agent
