#include "common/base/settings.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <fstream>

namespace bifrost {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    for (const SettingInfo& info : setting_table()) ::unsetenv(std::string(info.variable).c_str());
    ::unsetenv("REDIS_URL");
    std::string pattern = "/tmp/bifrost-settings-XXXXXX";
    path_ = pattern;
    ::close(::mkstemp(path_.data()));
  }
  ~SettingsTest() override { ::unlink(path_.c_str()); }

  void file(const std::string& text) { std::ofstream(path_) << text; }
  Settings resolve(const Settings::Flags& flags = {}) {
    auto settings = Settings::resolve(flags, path_);
    EXPECT_TRUE(settings) << settings.error().message;
    return settings ? *settings : Settings{};
  }
  std::string path_;
};

TEST_F(SettingsTest, FlagBeatsVariableBeatsFileBeatsDefault) {
  EXPECT_EQ(resolve().get(Setting::kLease), "1s");
  EXPECT_EQ(resolve().entry(Setting::kLease).origin, "default");
  file("# comment\n\nlease = 2s\n");
  EXPECT_EQ(resolve().get(Setting::kLease), "2s");
  EXPECT_EQ(resolve().entry(Setting::kLease).origin, path_ + ":3");
  ::setenv("BIFROST_LEASE", "3s", 1);
  EXPECT_EQ(resolve().get(Setting::kLease), "3s");
  EXPECT_EQ(resolve().entry(Setting::kLease).origin, "BIFROST_LEASE");
  EXPECT_EQ(resolve({{Setting::kLease, "4s"}}).get(Setting::kLease), "4s");
  EXPECT_EQ(resolve({{Setting::kMaxSize, "4G"}}).entry(Setting::kMaxSize).origin, "--max-size");
  ::unsetenv("BIFROST_LEASE");
}

TEST_F(SettingsTest, BifrostRedisUrlBeatsRedisUrl) {
  ::setenv("REDIS_URL", "redis://general", 1);
  EXPECT_EQ(resolve().get(Setting::kRedisUrl), "redis://general");
  ::setenv("BIFROST_REDIS_URL", "redis://special", 1);
  EXPECT_EQ(resolve().get(Setting::kRedisUrl), "redis://special");
  ::setenv("BIFROST_REDIS_URL", "", 1);
  EXPECT_EQ(resolve().get(Setting::kRedisUrl), "redis://general") << "an empty variable is unset";
  ::unsetenv("BIFROST_REDIS_URL");
  ::unsetenv("REDIS_URL");
}

TEST_F(SettingsTest, AFileMayHoldTheRedisUrl) {
  const std::string held = path_ + ".url";
  const auto hold = [&](const std::string& text) { std::ofstream(held) << text; };
  hold("redis://:secret@kept\n");
  ::setenv("BIFROST_REDIS_URL_FILE", held.c_str(), 1);
  EXPECT_EQ(resolve().get(Setting::kRedisUrl), "redis://:secret@kept");
  EXPECT_EQ(resolve().entry(Setting::kRedisUrl).origin, held + " (BIFROST_REDIS_URL_FILE)");
  ::setenv("REDIS_URL", "redis://weaker", 1);
  EXPECT_EQ(resolve().get(Setting::kRedisUrl), "redis://:secret@kept");
  EXPECT_EQ(resolve({{Setting::kRedisUrl, "redis://stronger"}}).get(Setting::kRedisUrl), "redis://stronger");

  ::setenv("BIFROST_REDIS_URL", "redis://equal", 1);
  EXPECT_EQ(Settings::resolve({}, path_).error().message,
            "redis_url (BIFROST_REDIS_URL) and redis_url_file (BIFROST_REDIS_URL_FILE): set one of them");
  ::unsetenv("BIFROST_REDIS_URL");
  for (const std::string& wrong : {std::string(), std::string("two\nlines"), std::string(20'000, 'x')}) {
    hold(wrong);
    EXPECT_NE(Settings::resolve({}, path_).error().message.find("holds no URL"), std::string::npos) << wrong;
  }
  ::unlink(held.c_str());
  EXPECT_NE(Settings::resolve({}, path_).error().message.find("cannot read " + held), std::string::npos);
}

TEST_F(SettingsTest, NamesTheLineThatIsWrong) {
  file("lease = 1s\nlaese = 2s\n");
  const auto unknown = Settings::resolve({}, path_);
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find(":2: unknown setting `laese`"), std::string::npos);
  file("just words\n");
  EXPECT_FALSE(Settings::resolve({}, path_));
  EXPECT_FALSE(Settings::resolve({}, std::string("/does/not/exist")));
}

TEST_F(SettingsTest, TableIsInTheOrderOfItsIds) {
  for (std::size_t i = 0; i < setting_table().size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(setting_table()[i].id), i);
  }
}

TEST(ParseBytes, TakesSuffixes) {
  EXPECT_EQ(*parse_bytes("65536"), 65536u);
  EXPECT_EQ(*parse_bytes("32M"), 32u << 20);
  EXPECT_EQ(*parse_bytes("4G"), std::uint64_t{4} << 30);
  EXPECT_EQ(*parse_bytes("1.5K"), 1536u);
  for (const char* text : {"", "M", "-1", "1MB", "1 M", "inf", "nan", "1e99", "99999999T"}) {
    EXPECT_FALSE(parse_bytes(text)) << text;
  }
}

TEST(ParseDuration, TakesUnits) {
  EXPECT_EQ(*parse_duration_ms("250ms"), 250u);
  EXPECT_EQ(*parse_duration_ms("1s"), 1000u);
  EXPECT_EQ(*parse_duration_ms("0.5s"), 500u);
  EXPECT_EQ(*parse_duration_ms("2m"), 120'000u);
  EXPECT_EQ(*parse_duration_ms("1h"), 3'600'000u);
  EXPECT_EQ(*parse_duration_ms("30d"), 2'592'000'000u);
  EXPECT_EQ(*parse_duration_ms("0"), 0u);
  for (const char* text : {"", "1", "s", "-1s", "1 s", "1w"}) EXPECT_FALSE(parse_duration_ms(text)) << text;
  EXPECT_TRUE(parse_duration_ms("10000d"));
  EXPECT_EQ(parse_duration_ms("10001d").error().message, "`10001d` is too much: write at most 10000d");
}

}  // namespace
}  // namespace bifrost
