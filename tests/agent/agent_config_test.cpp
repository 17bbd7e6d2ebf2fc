#include "agent/agent_config.hpp"

#include <gtest/gtest.h>

namespace bifrost::agent {
namespace {

Result<AgentConfig> configured(const Settings::Flags& flags) {
  return parse_agent_config(*Settings::resolve(flags));
}

TEST(AgentConfig, DefaultsAreValid) {
  const auto config = configured({{Setting::kRedisUrl, "redis://h"}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->session.lease, std::chrono::seconds(1));
  EXPECT_EQ(config->on_expiry, OnExpiry::kRetain);
  EXPECT_GT(config->max_size_bytes, 0u);
  EXPECT_LE(config->max_size_bytes, std::uint64_t{4} << 30);
  EXPECT_EQ(config->history, std::chrono::hours(1));
  EXPECT_FALSE(config->history_bytes);
}

TEST(AgentConfig, ASizeOfEarlierReleasesIsTakenWithAWord) {
  const auto config = configured({{Setting::kSize, "32M"}});
  ASSERT_TRUE(config);
  EXPECT_NE(config->obsolete.find("size (from --size) has no effect any more"), std::string::npos) << config->obsolete;
  EXPECT_TRUE(configured({})->obsolete.empty());
}

TEST(AgentConfig, HistoryIsADurationAndPerhapsASize) {
  EXPECT_EQ(configured({{Setting::kHistory, "0"}})->history, std::chrono::milliseconds(0));
  EXPECT_EQ(configured({{Setting::kHistory, "30d"}})->history, std::chrono::hours(720));
  EXPECT_FALSE(configured({{Setting::kHistory, "31d"}}));
  EXPECT_EQ(configured({{Setting::kHistorySize, "64M"}})->history_bytes, 64u << 20);
}

TEST(AgentConfig, SaysWhichBoundMadeTheDefaultSize) {
  const std::string text = describe(*Settings::resolve({{Setting::kSegmentDir, "/dev/shm/none"}}));
  const auto line = text.substr(text.find("max_size = "), text.substr(text.find("max_size = ")).find('\n'));
  EXPECT_TRUE(line.find("default: 4 GiB") != std::string::npos ||
              line.find("default: three quarters") != std::string::npos ||
              line.find("default: half of") != std::string::npos)
      << line;
}

TEST(AgentConfig, NamesTheSettingThatIsWrongAndWhereItCameFrom) {
  const auto config = configured({{Setting::kLease, "soon"}});
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("lease (from --lease)"), std::string::npos) << config.error().message;
  EXPECT_EQ(configured({{Setting::kLease, "1ms"}}).error().message,
            "lease (from --lease): `1ms` is not between 50 and 3600000 ms");
}

TEST(AgentConfig, RefusesWhatIsOutOfRange) {
  const Settings::Flags wrong[] = {{{Setting::kMaxSize, "1K"}},    {{Setting::kHistory, "long"}},
                                   {{Setting::kSignal, "loud"}},   {{Setting::kOnExpiry, "forget"}},
                                   {{Setting::kLease, "1ms"}},     {{Setting::kWorkspace, "relative"}},
                                   {{Setting::kRedisUrl, "http:"}}};
  for (const auto& flags : wrong) EXPECT_FALSE(configured(flags)) << flags.begin()->second;
}

TEST(AgentConfig, TakesNumericListenAddressesOnly) {
  for (const char* text : {"127.0.0.1:9464", "0.0.0.0:0", "[::1]:9464"}) {
    const auto listen = parse_listen_address(text);
    ASSERT_TRUE(listen && *listen) << text;
    EXPECT_EQ(to_text((*listen)->address), text);
  }
  EXPECT_FALSE(*parse_listen_address("off"));
  for (const char* text : {"", "on", "9464", ":9464", "localhost:9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                           "127.0.0.1:94x", "[::1:1", "::1:9464"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

TEST(AgentConfig, DescriptionHidesCredentials) {
  const auto settings = Settings::resolve({{Setting::kRedisUrl, "redis://bob:secret@h:1/2"}});
  const std::string text = describe(*settings);
  EXPECT_NE(text.find("redis_url = redis://h:1/2  # --redis-url"), std::string::npos) << text;
  EXPECT_EQ(text.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace bifrost::agent
