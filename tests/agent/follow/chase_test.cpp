#include "agent/follow/chase.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/agent/follow/pending_paths.hpp"
#include "tests/common/path_of.hpp"

namespace bifrost::agent {
namespace {

using Manner = Chase::Manner;
using Doubt = RefreshQueue::Doubt;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class ChaseTest : public ::testing::Test {
 protected:
  void announce(const std::string& path, Doubt doubt = Doubt::kChanged) {
    chase_.queue().mark(path_of(path), {++position_}, doubt);
  }
  // Sends the next transaction.
  bool send(Manner manner = Manner::kCut, bool staged = true) {
    asked_ = chase_.next(manner, staged, {position_});
    return asked_.has_value();
  }
  bool mark() { return chase_.mark_arrived(asked_->mark.value_or(0), {++position_}, asked_->paths); }

  Chase chase_{{.paths = 3, .bulk_paths = 2, .under_way = 2}};
  std::optional<Chase::Batch> asked_;
  std::uint64_t position_ = 0;
};

TEST_F(ChaseTest, ATransactionThatReadsAllThatWaitsCarriesTheMark) {
  announce("a.py");
  ASSERT_TRUE(send());
  EXPECT_THAT(paths(asked_->paths), ElementsAre("a.py"));
  EXPECT_EQ(asked_->mark, 1u);
  EXPECT_EQ(chase_.cut(), Cut::kOpen);
  EXPECT_TRUE(mark());
  EXPECT_FALSE(chase_.finish_oldest());
  EXPECT_EQ(chase_.cut(), Cut::kExact);
}

TEST_F(ChaseTest, NothingIsAskedForWhileAMarkedOneIsUnderWay) {
  announce("a.py");
  ASSERT_TRUE(send());
  announce("b.py");
  EXPECT_FALSE(send());
}

TEST_F(ChaseTest, WhatIsAnnouncedBehindTheMarkDoesNotMatter) {
  announce("a.py");
  send();
  mark();
  announce("b.py");
  chase_.finish_oldest();
  EXPECT_EQ(chase_.cut(), Cut::kExact);
}

TEST_F(ChaseTest, WhatIsAnnouncedBeforeTheMarkAndWasNotReadIsReadNext) {
  announce("a.py");
  send();
  announce("b.py");
  mark();
  EXPECT_TRUE(chase_.finish_oldest()) << "once more";
  EXPECT_EQ(chase_.cut(), Cut::kOpen);
  ASSERT_TRUE(send());
  EXPECT_THAT(paths(asked_->paths), ElementsAre("b.py"));
}

TEST_F(ChaseTest, WhatWasReadIsSettledByTheMarkAlthoughItsMessageCameDuringTheRead) {
  announce("a.py");
  send();
  announce("a.py", Doubt::kDeleted);
  mark();
  EXPECT_EQ(asked_->paths[0].told, PendingPath::Told::kDeletion) << "what the message told counts for the answer";
  chase_.finish_oldest();
  EXPECT_EQ(chase_.cut(), Cut::kExact);
  EXPECT_TRUE(chase_.queue().idle());
}

TEST_F(ChaseTest, AWriteThatIsToldDuringTheReadCountsForTheAnswer) {
  announce("a.py");
  send();
  announce("a.py", Doubt::kWritten);
  mark();
  EXPECT_EQ(asked_->paths[0].announced, StreamPosition{2});
  EXPECT_EQ(asked_->paths[0].told, PendingPath::Told::kWrite);
}

TEST_F(ChaseTest, AnAnswerThatNeedsAnotherQuestionKeepsTheCutOpen) {
  announce("a.py");
  send();
  mark();
  chase_.queue().read_again(asked_->paths[0]);
  chase_.finish_oldest();
  EXPECT_EQ(chase_.cut(), Cut::kOpen);
}

TEST_F(ChaseTest, WhatDoesNotFitOneTransactionIsReadUnmarkedFirst) {
  for (const char* path : {"a.py", "b.py", "c.py", "d.py"}) announce(path);
  ASSERT_TRUE(send());
  EXPECT_EQ(asked_->paths.size(), 3u);
  EXPECT_EQ(asked_->mark, std::nullopt);
  ASSERT_TRUE(send());
  EXPECT_EQ(asked_->mark, 1u);
  EXPECT_FALSE(chase_.finish_oldest()) << "of the first, which could not end the chase";
  EXPECT_EQ(chase_.cut(), Cut::kOpen);
  mark();
  chase_.finish_oldest();
  EXPECT_EQ(chase_.cut(), Cut::kExact);
}

TEST_F(ChaseTest, NoCutIsExactWhileAnswersAreOnTheirWay) {
  announce("a.py");
  send();
  mark();
  chase_.finish_oldest();
  ASSERT_EQ(chase_.cut(), Cut::kExact);
  for (const char* path : {"a.py", "b.py", "c.py", "d.py"}) announce(path);
  ASSERT_TRUE(send());
  EXPECT_EQ(chase_.cut(), Cut::kOpen) << "some of them may be there already";
}

TEST_F(ChaseTest, InBulkBatchesAreSmallAndNoMoreIsAskedForThanFits) {
  for (const char* path : {"a.py", "b.py", "c.py", "d.py", "e.py"}) announce(path);
  ASSERT_TRUE(send(Manner::kBulk));
  EXPECT_EQ(asked_->paths.size(), 2u);
  ASSERT_TRUE(send(Manner::kBulk));
  EXPECT_FALSE(send(Manner::kBulk)) << "two are under way";
  Chase chase{{.bytes_under_way = PendingPath::kSmallBytes}};
  chase.queue().mark("a.py", {1});
  ASSERT_TRUE(chase.next(Manner::kBulk, true, {1}));
  chase.queue().mark("b.py", {2});
  EXPECT_FALSE(chase.next(Manner::kBulk, true, {2})) << "its answer would be too much";
  chase.finish_oldest();
  EXPECT_TRUE(chase.next(Manner::kBulk, true, {2}));
}

TEST_F(ChaseTest, StagedChangesThatNothingFollowsGetAMarkOfTheirOwn) {
  EXPECT_FALSE(send(Manner::kCut, false)) << "nothing to commit";
  EXPECT_FALSE(send(Manner::kBulk)) << "not yet";
  ASSERT_TRUE(send());
  EXPECT_THAT(asked_->paths, IsEmpty());
  mark();
  chase_.finish_oldest();
  EXPECT_EQ(chase_.cut(), Cut::kExact);
  EXPECT_FALSE(send()) << "it is known";
}

TEST_F(ChaseTest, ALookIsATransactionWithoutPathsAndPendsUntilItHasBeenTaken) {
  chase_.look({++position_});
  EXPECT_EQ(chase_.oldest_pending(), StreamPosition{1});
  ASSERT_TRUE(send(Manner::kCut, false));
  EXPECT_THAT(asked_->paths, IsEmpty());
  EXPECT_EQ(chase_.oldest_pending(), StreamPosition{1});
  EXPECT_FALSE(chase_.idle());
  mark();
  chase_.finish_oldest();
  EXPECT_TRUE(chase_.idle());
  EXPECT_FALSE(send(Manner::kCut, false));
}

TEST_F(ChaseTest, AMarkBehindTheMessageThatAskedForALookSettlesIt) {
  announce("a.py");
  send();
  chase_.look({++position_});
  mark();
  chase_.finish_oldest();
  EXPECT_EQ(chase_.cut(), Cut::kExact);
  EXPECT_TRUE(chase_.idle());
}

TEST_F(ChaseTest, WithoutMarksALookIsTakenByTheTransactionThatIsSentNext) {
  announce("a.py");
  send(Manner::kBulk);
  chase_.look({++position_});
  EXPECT_FALSE(send(Manner::kBulk)) << "one is under way";
  chase_.finish_oldest();
  EXPECT_EQ(chase_.oldest_pending(), StreamPosition{2});
  ASSERT_TRUE(send(Manner::kBulk));
  chase_.finish_oldest();
  EXPECT_TRUE(chase_.idle());
}

TEST_F(ChaseTest, ALaterLookDoesNotForgetOneThatIsUnderWay) {
  announce("a.py");
  chase_.look({++position_});
  send(Manner::kBulk);
  announce("b.py");
  chase_.look({++position_});
  send(Manner::kBulk);
  chase_.finish_oldest();
  EXPECT_EQ(chase_.oldest_pending(), StreamPosition{2});
  chase_.finish_oldest();
  EXPECT_TRUE(chase_.idle());
}

TEST_F(ChaseTest, KeysThatAreWrittenAllTheTimeAreReadTogether) {
  for (std::uint64_t round = 0; round < Chase::kPlainRounds; ++round) {
    announce(round % 2 == 0 ? "a.py" : "b.py");
    send();
    announce(round % 2 == 0 ? "b.py" : "a.py");
    mark();
    chase_.finish_oldest();
  }
  ASSERT_TRUE(send());
  EXPECT_THAT(paths(asked_->paths), UnorderedElementsAre("a.py", "b.py"));
  announce("a.py");
  announce("b.py");
  mark();
  EXPECT_FALSE(chase_.finish_oldest());
  EXPECT_EQ(chase_.cut(), Cut::kExact) << "both are covered";
}

TEST_F(ChaseTest, AKeyThatIsGoneIsAskedForInTheWayThatDecides) {
  announce("gone.py");
  for (std::uint64_t round = 0; chase_.cut() != Cut::kExact; ++round) {
    ASSERT_LT(round, Chase::kPlainRounds + 3);
    ASSERT_TRUE(send());
    announce("hot" + std::to_string(round % 2) + ".py");
    mark();
    for (PendingPath& p : asked_->paths) {
      if (p.path.text() != "gone.py" || p.with_presence) continue;
      p.with_presence = true;
      chase_.queue().read_again(p);
    }
    chase_.finish_oldest();
  }
}

TEST_F(ChaseTest, LongValuesAreNotReadOverAndOver) {
  Chase chase{{.bytes = 100'000}};
  for (int i = 0; i < 6; ++i) chase.queue().mark(path_of("giant" + std::to_string(i) + ".py"), {1});
  std::uint64_t position = 1;
  int transactions = 0;
  while (auto asked = chase.next(Manner::kCut, true, {position})) {
    ASSERT_LT(++transactions, 40);
    if (asked->mark) chase.mark_arrived(*asked->mark, {++position}, asked->paths);
    for (PendingPath& p : asked->paths) {
      if (p.read == PendingPath::Read::kSized) continue;
      p.read = p.read == PendingPath::Read::kSmall ? PendingPath::Read::kMeasure : PendingPath::Read::kSized;
      p.size_bytes = 90'000;
      chase.queue().read_again(p);
    }
    chase.finish_oldest();
  }
  EXPECT_EQ(chase.cut(), Cut::kExact);
}

TEST_F(ChaseTest, AChaseHasAnEnd) {
  announce("first.py");
  for (std::uint64_t round = 0; round < Chase::kMaxRounds; ++round) {
    EXPECT_EQ(chase_.cut(), Cut::kOpen);
    ASSERT_TRUE(send());
    announce("m" + std::to_string(round) + ".py");
    mark();
    EXPECT_TRUE(chase_.finish_oldest());
  }
  EXPECT_EQ(chase_.cut(), Cut::kHopeless);
  chase_.settle();
  EXPECT_EQ(chase_.cut(), Cut::kOpen) << "counts anew";
}

TEST_F(ChaseTest, ReadsWithoutAMarkHaveAnEndAsWell) {
  for (std::uint64_t n = 0; n < Chase::kMaxReads + 100; ++n) {
    announce("m" + std::to_string(n) + ".py");
    ASSERT_TRUE(send(Manner::kBulk));
    chase_.finish_oldest();
  }
  EXPECT_EQ(chase_.cut(), Cut::kHopeless);
}

TEST_F(ChaseTest, AMarkThatIsNotAwaitedMeansNothing) {
  EXPECT_FALSE(chase_.mark_arrived(1, {1}, {}));
  announce("a.py");
  send();
  EXPECT_FALSE(chase_.mark_arrived(7, {9}, asked_->paths));
  EXPECT_TRUE(mark());
  EXPECT_FALSE(chase_.mark_arrived(1, {11}, asked_->paths)) << "twice";
}

}  // namespace
}  // namespace bifrost::agent
