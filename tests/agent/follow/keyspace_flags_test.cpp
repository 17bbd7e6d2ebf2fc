#include "agent/follow/keyspace_flags.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

TEST(KeyspaceFlags, AddsWhatIsMissingAndRemovesNothing) {
  EXPECT_EQ(flags_to_set(""), "KA");
  EXPECT_EQ(flags_to_set("Ex"), "ExKA");
  EXPECT_EQ(flags_to_set("AE"), "AEK");
  EXPECT_EQ(flags_to_set("Kg$"), "Kg$A");
}

TEST(KeyspaceFlags, LeavesASufficientSettingAlone) {
  EXPECT_FALSE(flags_to_set("AK"));
  EXPECT_FALSE(flags_to_set("AKEm"));
  EXPECT_FALSE(flags_to_set("Kg$lshzxetd"));
}

}  // namespace
}  // namespace bifrost::agent
