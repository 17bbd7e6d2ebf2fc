#include "agent/mirror/retention.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

TEST(Retention, ExpiryIsNotDeletion) {
  EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {IndexEntry::kListed, false}), Vanished::kRetain);
  EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {IndexEntry::kListed, true}), Vanished::kRetain)
      << "DEL comes before SREM: the SREM decides";
}

TEST(Retention, LeavingTheIndexIsDeletion) {
  EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {IndexEntry::kUnlisted, false}), Vanished::kRemove);
}

TEST(Retention, WithoutAnIndexOnlyADeletionThatWasSeenCounts) {
  for (const IndexEntry entry : {IndexEntry::kNoIndex, IndexEntry::kUnknown}) {
    EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {entry, false}), Vanished::kRetainCold);
    EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {entry, true}), Vanished::kRemove);
  }
}

TEST(Retention, ANewIndexSaysNothingOfWhatTheLostOneListed) {
  EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {IndexEntry::kUnlisted, false, true}), Vanished::kRetain);
  EXPECT_EQ(decide_vanished(OnExpiry::kRetain, {IndexEntry::kUnlisted, true, true}), Vanished::kRemove);
}

TEST(Retention, DropRemovesWhateverVanishes) {
  for (const IndexEntry entry :
       {IndexEntry::kListed, IndexEntry::kUnlisted, IndexEntry::kNoIndex, IndexEntry::kUnknown}) {
    EXPECT_EQ(decide_vanished(OnExpiry::kDrop, {entry, false}), Vanished::kRemove);
  }
}

}  // namespace
}  // namespace bifrost::agent
