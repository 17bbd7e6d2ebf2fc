#include "agent/follow/deploy_bracket.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

using Change = DeployBracket::Change;

BootTime at(std::chrono::seconds seconds) {
  return BootTime{1} + std::chrono::nanoseconds(seconds);
}

TEST(DeployBracket, HoldsAsLongAsItsKeyExists) {
  DeployBracket deploy;
  EXPECT_EQ(deploy.seen(false, at(std::chrono::seconds(0))), Change::kNone);
  EXPECT_EQ(deploy.seen(true, at(std::chrono::seconds(1))), Change::kBegun);
  EXPECT_TRUE(deploy.holds());
  EXPECT_EQ(deploy.seen(true, at(std::chrono::seconds(2))), Change::kNone);
  EXPECT_EQ(deploy.seen(false, at(std::chrono::seconds(3))), Change::kEnded);
  EXPECT_FALSE(deploy.holds());
}

TEST(DeployBracket, PatienceEndsOnceWhateverItsKeySays) {
  DeployBracket deploy;
  deploy.seen(true, at(std::chrono::seconds(0)));
  EXPECT_FALSE(deploy.becomes_overdue(at(std::chrono::seconds(600))));
  EXPECT_TRUE(deploy.becomes_overdue(at(std::chrono::seconds(601))));
  EXPECT_FALSE(deploy.holds());
  EXPECT_FALSE(deploy.becomes_overdue(at(std::chrono::seconds(602)))) << "said once";
  EXPECT_EQ(deploy.seen(true, at(std::chrono::seconds(603))), Change::kNone) << "still the same deploy";
  EXPECT_FALSE(deploy.holds());
  deploy.seen(false, at(std::chrono::seconds(604)));
  EXPECT_EQ(deploy.seen(true, at(std::chrono::seconds(605))), Change::kBegun);
  EXPECT_TRUE(deploy.holds()) << "the next one is waited for again";
}

}  // namespace
}  // namespace bifrost::agent
