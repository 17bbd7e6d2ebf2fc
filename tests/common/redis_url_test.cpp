#include "common/redis/redis_url.hpp"

#include <gtest/gtest.h>

namespace bifrost {
namespace {

RedisUrl parsed(const std::string& text) {
  const auto url = parse_redis_url(text);
  EXPECT_TRUE(url) << url.error().message;
  return url ? *url : RedisUrl{};
}

TEST(RedisUrl, TakesEveryPart) {
  const RedisUrl url = parsed("redis://bob:s%40cret@cache.internal:6380/3");
  EXPECT_EQ(url.transport, RedisUrl::Transport::kTcp);
  EXPECT_EQ(url.host, "cache.internal");
  EXPECT_EQ(url.port, 6380);
  EXPECT_EQ(url.user, "bob");
  EXPECT_EQ(url.password, "s@cret");
  EXPECT_EQ(url.db, 3u);
}

TEST(RedisUrl, HasDefaults) {
  const RedisUrl url = parsed("redis://");
  EXPECT_EQ(url.host, "localhost");
  EXPECT_EQ(url.port, 6379);
  EXPECT_EQ(url.db, 0u);
  EXPECT_EQ(parsed("redis://:pw@h").password, "pw");
  EXPECT_EQ(parsed("redis://h?db=4").db, 4u);
  EXPECT_EQ(parsed("redis://[::1]:7000").host, "::1");
}

TEST(RedisUrl, TakesUnixSockets) {
  const RedisUrl url = parsed("unix:///run/redis/r%20s.sock?db=2");
  EXPECT_EQ(url.transport, RedisUrl::Transport::kUnix);
  EXPECT_EQ(url.path, "/run/redis/r s.sock");
  EXPECT_EQ(url.db, 2u);
  EXPECT_EQ(parsed("unix://user:pw@/run/at@sign.sock").path, "/run/at@sign.sock");
  EXPECT_EQ(parsed("unix://user:pw@/run/at@sign.sock").password, "pw");
}

TEST(RedisUrl, TakesSentinelsAndTheNameOfTheirMaster) {
  const RedisUrl url = parsed("redis+sentinel://u:p%40@one,two:26380,[::1]:7/mod%20ules/4?sentinel_password=s");
  EXPECT_EQ(url.transport, RedisUrl::Transport::kSentinel);
  ASSERT_EQ(url.sentinels.size(), 3u);
  EXPECT_EQ(url.sentinels[0].host, "one");
  EXPECT_EQ(url.sentinels[0].port, 26379);
  EXPECT_EQ(url.sentinels[1].port, 26380);
  EXPECT_EQ(url.sentinels[2].host, "::1");
  EXPECT_EQ(url.master, "mod ules");
  EXPECT_EQ(url.password, "p@");
  EXPECT_EQ(url.sentinel_password, "s");
  EXPECT_EQ(url.db, 4u);
  EXPECT_EQ(url.display(), "redis+sentinel://one:26379,two:26380,[::1]:7/mod ules/4");
  for (const char* text :
       {"redis+sentinel://one", "redis+sentinel://one/", "redis+sentinel:///m", "redis+sentinel://one,,two/m",
        "redis+sentinel://one/m/x", "redis+sentinel://one/m?ca=/c", "redis://h?sentinel_password=s"}) {
    EXPECT_FALSE(parse_redis_url(text)) << text;
  }
}

TEST(RedisUrl, NeverShowsCredentials) {
  EXPECT_EQ(parsed("redis://bob:secret@h:1/2").display(), "redis://h:1/2");
  EXPECT_EQ(parsed("unix://bob:secret@/s?db=1").display(), "unix:///s?db=1");
  const auto wrong = parse_redis_url("http://bob:secret@h");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message.find("secret"), std::string::npos);
}

TEST(RedisUrl, TakesWhomToTrustOverTls) {
  const RedisUrl url = parsed("rediss://u:p@cache:6390/3?ca=/etc/redis%20ca.pem&cert=/c.pem&key=/k.pem");
  ASSERT_TRUE(url.tls);
  EXPECT_EQ(url.tls->ca_file, "/etc/redis ca.pem");
  EXPECT_EQ(url.tls->certificate_file, "/c.pem");
  EXPECT_EQ(url.tls->key_file, "/k.pem");
  EXPECT_EQ(url.tls->server_name, "cache");
  EXPECT_EQ(url.db, 3u);
  EXPECT_EQ(url.display(), "rediss://cache:6390/3");
  EXPECT_EQ(parsed("rediss://10.0.0.7?name=cache.internal").tls->server_name, "cache.internal");
  EXPECT_FALSE(parsed("redis://cache").tls);
}

TEST(RedisUrl, TlsIsNeverHalfSetUp) {
  for (const char* text : {"rediss://h?cert=/c", "rediss://h?key=/k", "rediss://h?ca=", "rediss://h?verify=no",
                           "redis://h?ca=/c", "unix:///s?ca=/c"}) {
    EXPECT_FALSE(parse_redis_url(text)) << text;
  }
}

TEST(RedisUrl, RefusesNonsense) {
  for (const char* text : {"", "localhost:6379", "redis://h:port", "redis://h:0", "redis://h:70000", "redis://h/db",
                           "redis://h?x=1", "unix://", "redis://[::1", "redis://u:%zz@h", "redis://u:%00@h"}) {
    EXPECT_FALSE(parse_redis_url(text)) << text;
  }
}

}  // namespace
}  // namespace bifrost
