// redis_access.hpp - how verbs come to the Redis that the settings name.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/base/settings.hpp"
#include "common/redis/redis_client.hpp"

namespace bifrost::cachectl {

inline constexpr std::chrono::seconds kConnectTime(5);

// Connected, with its credentials accepted. Errors: kInvalidArgument (the URL), kUnreachable, kTimeout, kRefused.
inline Result<RedisClient> connect_redis(const Settings& settings) {
  const auto url = parse_redis_url(settings.get(Setting::kRedisUrl));
  if (!url) return url.error();
  return RedisClient::connect(*url, Deadline(kConnectTime));
}

}  // namespace bifrost::cachectl
