#include "common/writer/history_ledger.hpp"

#include <gtest/gtest.h>

#include <map>

namespace bifrost {
namespace {

using std::chrono::nanoseconds;

class HistoryLedgerTest : public ::testing::Test {
 protected:
  bool take_oldest(BootTime horizon = {~std::uint64_t{0}}) {
    const auto oldest = ledger_.take_oldest(horizon);
    if (!oldest) return false;
    for (const auto& [chunk, bytes] : oldest->by_chunk) expired_[chunk] += bytes;
    return true;
  }
  void change(std::uint64_t chunk, std::uint64_t bytes, std::uint64_t generation, std::uint64_t at) {
    ledger_.note({chunk}, bytes);
    ledger_.committed({generation}, {at});
  }

  HistoryLedger ledger_{nanoseconds(10), 1000};
  std::map<std::uint64_t, std::uint64_t> expired_;
};

TEST_F(HistoryLedgerTest, NothingExpiresBeforeItsDateHasPassed) {
  change(1, 100, 7, 50);
  EXPECT_FALSE(take_oldest({50}));
  EXPECT_EQ(ledger_.kept_from(), Generation{0});
  EXPECT_TRUE(take_oldest({51}));
  EXPECT_EQ(expired_[1], 100u);
  EXPECT_EQ(ledger_.kept_from(), Generation{7}) << "a snapshot of 6 may miss what 7 replaced";
  EXPECT_EQ(ledger_.kept_since(), BootTime{50});
  EXPECT_EQ(ledger_.bytes(), 0u);
}

TEST_F(HistoryLedgerTest, WhatIsNotCommittedCannotBeGivenUp) {
  ledger_.note({1}, 100);
  EXPECT_FALSE(take_oldest());
  EXPECT_EQ(ledger_.bytes(), 100u);
  ledger_.committed({1}, {5});
  EXPECT_TRUE(take_oldest());
  EXPECT_EQ(expired_[1], 100u);
}

TEST_F(HistoryLedgerTest, CloseDatesShareAnEntryThatExpiresWithItsLastOne) {
  change(1, 10, 1, 100);
  change(2, 10, 2, 109);
  EXPECT_EQ(ledger_.entries(), 1u);
  change(3, 10, 3, 110);
  EXPECT_EQ(ledger_.entries(), 2u);
  EXPECT_FALSE(take_oldest({109})) << "the entry holds what is out of date since 109 only";
  EXPECT_TRUE(take_oldest({110}));
  EXPECT_EQ(expired_, (std::map<std::uint64_t, std::uint64_t>{{1, 10}, {2, 10}}));
  EXPECT_EQ(ledger_.kept_from(), Generation{2});
}

TEST_F(HistoryLedgerTest, LargeChangesHaveEntriesOfTheirOwn) {
  change(1, 1000, 1, 100);
  change(1, 1000, 2, 101);
  EXPECT_EQ(ledger_.entries(), 2u);
}

TEST_F(HistoryLedgerTest, CommitsThatReplaceNothingCostNothing) {
  for (std::uint64_t g = 1; g < 1000; ++g) ledger_.committed({g}, {g * 100});
  EXPECT_EQ(ledger_.entries(), 0u);
}

TEST_F(HistoryLedgerTest, GoesOnFromWhatAnEarlierOneHadExpired) {
  ledger_.resume({41}, {3});
  EXPECT_EQ(ledger_.kept_from(), Generation{41});
  EXPECT_EQ(ledger_.kept_since(), BootTime{3});
}

}  // namespace
}  // namespace bifrost
