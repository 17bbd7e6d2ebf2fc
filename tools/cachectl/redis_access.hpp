// redis_access.hpp - how verbs come to the Redis that the settings name.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/redis/redis_client.hpp"
#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

inline constexpr std::chrono::seconds kConnectTime(5);
// For the commands and values of one pipeline.
inline constexpr std::chrono::seconds kBatchTime(30);

// The URL of the settings as it may be shown: without credentials.
std::string redis_name(const Settings& settings);

// Why that URL may be the wrong one: nobody named it, and the file that would may not be read by this user.
std::optional<std::string> doubt_about_redis(const Context& context);

// Says the error of connect_redis(): a URL that is wrong is wrong usage, whatever said it.
ExitCode fail_without_redis(const Error& error);

// Connected, with its credentials accepted; says the doubt, if there is one. Errors: kInvalidArgument (the URL),
// kUnreachable, kTimeout, kRefused.
Result<RedisClient> connect_redis(const Context& context);

}  // namespace bifrost::cachectl
