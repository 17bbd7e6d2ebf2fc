#include "agent/follow/index_losses.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

using Listed = Observation::Listed;
constexpr IndexEntry kNotAsked = IndexEntry::kUnknown;

TEST(IndexLosses, WithoutALossEveryWriterHasListedItInTheIndex) {
  const IndexLosses losses(3);
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{1}), Listed::kInIndex);
  EXPECT_EQ(losses.listed(kNotAsked, std::nullopt), Listed::kSomewhere) << "nobody heard of the write";
}

TEST(IndexLosses, AMessageTellsWhatWasWrittenBefore) {
  IndexLosses losses(0);
  losses.hear(1, {7}, 0);
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{7}), Listed::kInLostIndex);
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{8}), Listed::kInIndex);
  EXPECT_EQ(losses.listed(IndexEntry::kListed, StreamPosition{6}), Listed::kInIndex) << "the new one has it";
}

TEST(IndexLosses, WhatIsUnderWayWasReadBefore) {
  IndexLosses losses(0);
  losses.hear(1, {7}, 1);
  EXPECT_TRUE(losses.reads_before());
  EXPECT_EQ(losses.listed(IndexEntry::kListed, StreamPosition{8}), Listed::kInLostIndex);
  losses.batch_applied();
  EXPECT_FALSE(losses.reads_before());
  EXPECT_EQ(losses.listed(IndexEntry::kListed, StreamPosition{8}), Listed::kInIndex);
}

TEST(IndexLosses, AnAnswerIsFasterThanTheMessagesAboutWhatCameBefore) {
  IndexLosses losses(0);
  losses.find(0, {5});
  EXPECT_FALSE(losses.pong({5})) << "nothing was lost";
  losses.find(1, {5});
  losses.find(1, {6});  // the same one
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{8}), Listed::kInLostIndex);
  EXPECT_FALSE(losses.pong({9}));
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{10}), Listed::kInLostIndex) << "of a PING from before";
  EXPECT_TRUE(losses.pong({11}));
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{11}), Listed::kInLostIndex);
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{12}), Listed::kInIndex);
}

TEST(IndexLosses, WhatWasHeardIsNotFoundAgain) {
  IndexLosses losses(0);
  losses.hear(1, {7}, 0);
  losses.find(1, {9});
  EXPECT_EQ(losses.listed(kNotAsked, StreamPosition{8}), Listed::kInIndex);
}

}  // namespace
}  // namespace bifrost::agent
