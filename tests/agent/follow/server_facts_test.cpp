#include "agent/follow/server_facts.hpp"

#include <gtest/gtest.h>

#include <string>

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

TEST(ServerFacts, FlagsAreInDoubtAfterAConfigSetAndWhereNothingIsCounted) {
  const ServerFacts before =
      facts_from_info("cmdstat_config|get:calls=1,usec=2\r\ncmdstat_config|set:calls=4,usec=2\r\n");
  ServerFacts now = facts_from_info("cmdstat_config|get:calls=9,usec=2\r\ncmdstat_config|set:calls=4,usec=2\r\n");
  EXPECT_FALSE(flags_in_doubt(before, now));
  now = facts_from_info("cmdstat_config|get:calls=9,usec=2\r\ncmdstat_config|set:calls=5,usec=2\r\n");
  EXPECT_TRUE(flags_in_doubt(before, now));
  now = facts_from_info("cmdstat_info:calls=1,usec=2\r\n");  // CONFIG RESETSTAT
  EXPECT_TRUE(flags_in_doubt(before, now));
  const ServerFacts old = facts_from_info("cmdstat_config:calls=4,usec=2\r\n");  // Redis 6.2
  EXPECT_TRUE(flags_in_doubt(old, facts_from_info("cmdstat_config:calls=5,usec=2\r\n")));
  const ServerFacts silent = facts_from_info("run_id:a\r\n");
  EXPECT_TRUE(flags_in_doubt(silent, silent));
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
  EXPECT_EQ(swept(before, now, true), Sweep::kNone);
  now.resets = 9;
  EXPECT_EQ(swept(before, now, true), Sweep::kNone);
  EXPECT_EQ(swept(before, now, false), Sweep::kReset);
  now.swaps = 4;
  EXPECT_EQ(swept(before, now, true), Sweep::kSwapped);
}

// What a Redis 7.0 says right after its start.
std::string just_started(const std::string& persistence, const std::string& followed = "0000") {
  return "redis_version:7.0.15\r\nrun_id:bbbb\r\nuptime_in_seconds:3\r\nrole:master\r\nmaster_replid2:" + followed +
         "\r\n" + persistence + "cmdstat_info:calls=1,usec=3\r\n";
}

TEST(ServerFacts, TellAStartWithoutDataFromOneWithData) {
  const auto empty = [](const std::string& info) { return facts_from_info(info).started_empty; };
  EXPECT_TRUE(empty(just_started("rdb_last_load_keys_loaded:0\r\naof_enabled:0\r\n")));
  EXPECT_TRUE(empty(just_started("rdb_last_load_keys_loaded:0\r\naof_enabled:1\r\naof_base_size:0\r\n")));
  EXPECT_FALSE(empty(just_started("rdb_last_load_keys_loaded:2\r\naof_enabled:0\r\n")));
  EXPECT_FALSE(empty(just_started("rdb_last_load_keys_loaded:0\r\naof_enabled:1\r\naof_base_size:89\r\n")))
      << "its base is empty, but not what was appended";
  EXPECT_FALSE(empty(just_started("rdb_last_load_keys_loaded:0\r\naof_enabled:0\r\n", "a0b1")))
      << "a promoted replica has its master's data";
  EXPECT_FALSE(empty(just_started("aof_enabled:0\r\n"))) << "before Redis 7 it does not say";
}

TEST(ServerFacts, WhatWasLostBetweenTwoConnectionsIsToldFromWhatWasDeleted) {
  const ServerFacts empty = facts_from_info(just_started("rdb_last_load_keys_loaded:0\r\naof_enabled:0\r\n"));
  const BootTime now{100'000'000'000};
  const BootTime before_its_start{95'000'000'000};
  const BootTime after_its_start{99'000'000'000};
  LastContact last{facts_from_info(kMaster), before_its_start};
  EXPECT_NE(lost_since(last, empty, now), std::nullopt);
  last.facts = {};  // an agent that was itself restarted, and knows of no server
  EXPECT_NE(lost_since(last, empty, now), std::nullopt);
  last.facts.run_id = empty.run_id;
  EXPECT_EQ(lost_since(last, empty, now), std::nullopt) << "the agent before was in sync with it";
  last.facts.run_id = "aaaa";
  EXPECT_NE(lost_since(last, empty, now), std::nullopt);
  last.synced_through = after_its_start;
  EXPECT_EQ(lost_since(last, empty, now), std::nullopt) << "it had been read since it started";
  last = {facts_from_info(kMaster), BootTime{97'500'000'000}};
  EXPECT_NE(lost_since(last, empty, now), std::nullopt) << "its uptime of 3 s may be one of 2.1 s";
  ServerFacts old = empty;
  old.uptime = std::chrono::seconds(99'999);
  EXPECT_NE(lost_since({facts_from_info(kMaster), BootTime{}}, old, now), std::nullopt) << "from before a reboot";
  old = facts_from_info(kMaster);
  EXPECT_EQ(lost_since({facts_from_info(kMaster), BootTime{}}, old, now), std::nullopt)
      << "the agent before the reboot was in sync with it, and it counts no reset since";
  const ServerFacts full = facts_from_info(just_started("rdb_last_load_keys_loaded:9\r\naof_enabled:0\r\n"));
  EXPECT_EQ(lost_since({{}, before_its_start}, full, now), std::nullopt);
}

TEST(ServerFacts, AFlushWhileNobodyListenedIsCounted) {
  const ServerFacts before = facts_from_info(kMaster);
  ServerFacts now = before;
  EXPECT_EQ(lost_since({before, BootTime{1}}, now, BootTime{2}), std::nullopt);
  now.resets = *before.resets + 1;
  EXPECT_NE(lost_since({before, BootTime{1}}, now, BootTime{2}), std::nullopt);
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
