#include "agent/follow/commit_rule.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

using std::chrono::milliseconds;
using Commit = CommitRule::Commit;
using Fence = CommitRule::Fence;

constexpr CommitRule::Situation kStaged{true, true};
constexpr CommitRule::Situation kStagedAndReading{true, false};
constexpr CommitRule::Situation kQuiet{false, true};
constexpr CommitRule::Situation kReading{false, false};

BootTime at_ms(std::uint64_t ms) {
  return {ms * 1'000'000};
}

class CommitRuleTest : public ::testing::Test {
 protected:
  // A fence that was sent then and is answered now.
  void fence(std::uint64_t sent_ms, StreamPosition answered = {1}) {
    rule_.fence_sent(at_ms(sent_ms));
    rule_.fence_answered(answered);
  }
  CommitRule rule_{milliseconds(250)};
};

TEST_F(CommitRuleTest, NothingStagedIsNeverCommitted) {
  fence(10);
  EXPECT_EQ(rule_.commit_now(kQuiet, at_ms(1000)), Commit::kNotNow);
  EXPECT_EQ(rule_.commit_now(kReading, at_ms(1000)), Commit::kNotNow);
}

TEST_F(CommitRuleTest, ChangesAreWholeAfterAFenceThatWasSentAfterTheLastReRead) {
  EXPECT_EQ(rule_.commit_now(kStaged, at_ms(9)), Commit::kNotNow) << "no fence at all";
  fence(10);
  rule_.applied(at_ms(20), true);
  EXPECT_EQ(rule_.commit_now(kStaged, at_ms(21)), Commit::kNotNow) << "the other half may have been announced since";
  rule_.fence_sent(at_ms(22));
  EXPECT_EQ(rule_.commit_now(kStaged, at_ms(23)), Commit::kNotNow) << "not answered";
  rule_.fence_answered({1});
  EXPECT_EQ(rule_.commit_now(kStaged, at_ms(24)), Commit::kWhole);
}

TEST_F(CommitRuleTest, ChangesAreNotWholeWhileSomethingIsToBeRead) {
  rule_.applied(at_ms(20), true);
  fence(22);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(24)), Commit::kNotNow);
}

TEST_F(CommitRuleTest, PatienceWithAGroupEndsWithoutAQuietMoment) {
  rule_.applied(at_ms(20), true);
  rule_.applied(at_ms(60), true);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(70)), Commit::kNotNow);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(71)), Commit::kGiveUp) << "50 ms from the first change on";
  rule_.committed();
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(80)), Commit::kNotNow);
  rule_.applied(at_ms(90), true);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(140)), Commit::kNotNow) << "counts anew after a commit";
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(141)), Commit::kGiveUp);
}

TEST_F(CommitRuleTest, PatienceBeginsWithTheFirstChangeThatIsStaged) {
  rule_.applied(at_ms(20), false);
  rule_.applied(at_ms(60), true);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(110)), Commit::kNotNow);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(111)), Commit::kGiveUp);
}

TEST_F(CommitRuleTest, AQuietMomentIsWorthWaitingForItsFence) {
  rule_.applied(at_ms(20), true);
  EXPECT_EQ(rule_.commit_now(kStaged, at_ms(5000)), Commit::kNotNow);
}

TEST_F(CommitRuleTest, PatienceOfASynchronisationBeginsWhenAllIsRead) {
  rule_.applied(at_ms(20), true);
  rule_.begin_patience(at_ms(1000), true);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(1050)), Commit::kNotNow);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(1051)), Commit::kGiveUp);
  rule_.begin_patience(at_ms(2000), false);
  EXPECT_EQ(rule_.commit_now(kStagedAndReading, at_ms(9000)), Commit::kNotNow) << "nothing was staged then";
}

TEST_F(CommitRuleTest, WhereMarksAreInForceTheyDecide) {
  rule_.applied(at_ms(20), true);
  fence(22);
  const auto with = [](Cut cut) { return CommitRule::Situation{true, true, cut}; };
  EXPECT_EQ(rule_.commit_now(with(Cut::kOpen), at_ms(9000)), Commit::kNotNow) << "neither fence nor time helps";
  EXPECT_EQ(rule_.fence_now(with(Cut::kOpen), false, at_ms(23)), Fence::kNotNow) << "nor is a fence wanted";
  EXPECT_EQ(rule_.commit_now({true, false, Cut::kExact}, at_ms(23)), Commit::kWhole) << "whatever is announced since";
  EXPECT_EQ(rule_.commit_now(with(Cut::kHopeless), at_ms(23)), Commit::kGiveUp);
  EXPECT_EQ(rule_.commit_now({false, true, Cut::kExact}, at_ms(23)), Commit::kNotNow) << "nothing is staged";
}

TEST_F(CommitRuleTest, IsInSyncThroughAFenceOnceWhatCameBeforeItsAnswerIsAppliedAndCommitted) {
  fence(10, {7});
  EXPECT_EQ(rule_.take_synced_through(kReading, {7}), std::nullopt) << "message 7 is still to be read";
  EXPECT_EQ(rule_.take_synced_through(kStaged, RefreshQueue::kNothingPending), std::nullopt) << "not committed";
  EXPECT_EQ(rule_.take_synced_through(kReading, {8}), at_ms(10)) << "later messages do not matter";
  EXPECT_EQ(rule_.take_synced_through(kQuiet, RefreshQueue::kNothingPending), std::nullopt) << "once per fence";
}

TEST_F(CommitRuleTest, ACommitSettlesEverythingAnnounced) {
  EXPECT_EQ(rule_.committed(), std::nullopt);
  rule_.announced(at_ms(20));
  rule_.announced(at_ms(30));
  EXPECT_EQ(rule_.committed(), at_ms(20)) << "the oldest";
  EXPECT_EQ(rule_.committed(), std::nullopt);
}

TEST_F(CommitRuleTest, MessagesThatChangedNothingAreSettledWithoutACommit) {
  rule_.announced(at_ms(20));
  rule_.take_synced_through(kReading, {1});
  rule_.take_synced_through(kStaged, {1});
  EXPECT_EQ(rule_.committed(), at_ms(20)) << "it was not known yet";
  rule_.announced(at_ms(40));
  rule_.take_synced_through(kQuiet, RefreshQueue::kNothingPending);
  EXPECT_EQ(rule_.committed(), std::nullopt);
}

TEST_F(CommitRuleTest, TheFirstFenceIsDueHoweverShortlyAgoTheMachineHasBooted) {
  EXPECT_EQ(rule_.fence_now(kQuiet, false, at_ms(1)), Fence::kHeartbeat);
}

TEST_F(CommitRuleTest, AFenceIsNeverSentWhileAnotherIsInFlight) {
  EXPECT_EQ(rule_.fence_now(kQuiet, false, at_ms(1000)), Fence::kHeartbeat) << "the first";
  rule_.fence_sent(at_ms(1000));
  EXPECT_EQ(rule_.fence_in_flight(), at_ms(1000));
  EXPECT_EQ(rule_.fence_now(kStaged, true, at_ms(9000)), Fence::kNotNow);
  rule_.fence_answered({1});
  EXPECT_EQ(rule_.fence_now(kQuiet, false, at_ms(1249)), Fence::kNotNow);
  EXPECT_EQ(rule_.fence_now(kQuiet, true, at_ms(1249)), Fence::kWanted) << "a client waits";
  EXPECT_EQ(rule_.fence_now(kQuiet, true, at_ms(1250)), Fence::kHeartbeat);
}

TEST_F(CommitRuleTest, AFenceIsWantedOnceAllIsReadThatMayBeHalfOfAGroup) {
  fence(1000);
  rule_.applied(at_ms(1010), true);
  EXPECT_EQ(rule_.fence_now(kStagedAndReading, false, at_ms(1011)), Fence::kNotNow) << "the next re-read needs another";
  EXPECT_EQ(rule_.fence_now(kQuiet, false, at_ms(1011)), Fence::kNotNow) << "nothing to commit";
  EXPECT_EQ(rule_.fence_now(kStaged, false, at_ms(1011)), Fence::kWanted);
  fence(1012);
  EXPECT_EQ(rule_.fence_now(kStaged, false, at_ms(1013)), Fence::kNotNow) << "this one was sent after the re-read";
}

}  // namespace
}  // namespace bifrost::agent
