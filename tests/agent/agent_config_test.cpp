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
  EXPECT_EQ(config->size_bytes, 32u << 20);
}

TEST(AgentConfig, NamesTheSettingThatIsWrongAndWhereItCameFrom) {
  const auto config = configured({{Setting::kLease, "soon"}});
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("lease (from --lease)"), std::string::npos) << config.error().message;
}

TEST(AgentConfig, RefusesWhatIsOutOfRange) {
  const Settings::Flags wrong[] = {{{Setting::kSize, "1K"}},       {{Setting::kSize, "8M"}, {Setting::kMaxSize, "4M"}},
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
