#include "agent/server_facts.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

constexpr const char* kMaster =
    "# Server\r\nredis_version:7.0.15\r\nrun_id:aaaa\r\n\r\n# Replication\r\nrole:master\r\nmaster_replid:cccc\r\n"
    "master_replid2:0000\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Commandstats\r\n"
    "cmdstat_swapdb:calls=3,usec=31,usec_per_call=10.33\r\ncmdstat_flushall:calls=2,usec=5\r\n"
    "cmdstat_debug:calls=1,usec=9\r\ncmdstat_info:calls=7,usec=300\r\n";

TEST(ServerFacts, AreReadFromInfo) {
  const ServerFacts facts = facts_from_info(kMaster);
  EXPECT_EQ(facts.version, "7.0.15");
  EXPECT_EQ(facts.run_id, "aaaa");
  EXPECT_EQ(facts.role, "master");
  EXPECT_EQ(facts.replication, "cccc");
  EXPECT_FALSE(facts.cluster);
  EXPECT_TRUE(facts.master_link_up);
  EXPECT_EQ(facts.swaps, 3u);
  EXPECT_EQ(facts.resets, 3u);
}

TEST(ServerFacts, WithoutCommandStatisticsTheCountsAreUnknown) {
  EXPECT_EQ(facts_from_info("run_id:a\r\n").swaps, std::nullopt);
  EXPECT_EQ(facts_from_info("cmdstat_info:calls=1,usec=2\r\n").swaps, 0u);
}

TEST(ServerFacts, TellARestartAPromotionAndAnotherMasterApart) {
  const ServerFacts before = facts_from_info(kMaster);
  ServerFacts now = before;
  EXPECT_EQ(another_server(before, now), std::nullopt);
  now.replication = "dddd";  // a master renews its id when it has had no replica for an hour
  EXPECT_EQ(another_server(before, now), std::nullopt);
  now.run_id = "bbbb";
  EXPECT_NE(another_server(before, now), std::nullopt);
  now = before;
  now.role = "slave";
  EXPECT_NE(another_server(before, now), std::nullopt);
  ServerFacts replica = now;
  replica.replication = "eeee";
  EXPECT_NE(another_server(now, replica), std::nullopt);
}

TEST(ServerFacts, SwapsAlwaysCountAndResetsOnlyWhereTheyAreNotAnnounced) {
  const ServerFacts before = facts_from_info(kMaster);
  ServerFacts now = before;
  EXPECT_EQ(swept(before, now, true), std::nullopt);
  now.resets = 9;
  EXPECT_EQ(swept(before, now, true), std::nullopt);
  EXPECT_NE(swept(before, now, false), std::nullopt);
  now.swaps = 4;
  EXPECT_NE(swept(before, now, true), std::nullopt);
}

TEST(ServerFacts, VersionsAreComparedByNumber) {
  EXPECT_TRUE(version_at_least("7.0.15", 6, 2));
  EXPECT_TRUE(version_at_least("6.2.0", 6, 2));
  EXPECT_TRUE(version_at_least("10.1", 6, 2));
  EXPECT_FALSE(version_at_least("6.0.16", 6, 2));
  EXPECT_FALSE(version_at_least("5.0.7", 6, 2));
  EXPECT_TRUE(version_at_least("unknown", 6, 2)) << "a server that does not say may try";
}

}  // namespace
}  // namespace bifrost::agent
