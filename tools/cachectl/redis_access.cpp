#include "tools/cachectl/redis_access.hpp"

#include "tools/cachectl/output.hpp"

namespace bifrost::cachectl {

std::string redis_name(const Settings& settings) {
  const auto url = parse_redis_url(settings.get(Setting::kRedisUrl));
  return url ? url->display() : "(not a Redis URL)";
}

std::optional<std::string> doubt_about_redis(const Context& context) {
  if (!context.withheld_config || context.settings.entry(Setting::kRedisUrl).origin != "default") return std::nullopt;
  return fmt::format("{} cannot be read by this user; Redis is taken to be {}", *context.withheld_config,
                     redis_name(context.settings));
}

ExitCode fail_without_redis(const Error& error) {
  const ExitCode code = fail(error);
  return error.code == ErrorCode::kInvalidArgument ? ExitCode::kUsage : code;
}

Result<RedisClient> connect_redis(const Context& context) {
  const auto url = parse_redis_url(context.settings.get(Setting::kRedisUrl));
  if (!url) {
    return Error{url.error().code, fmt::format("redis_url (from {}): {}",
                                               context.settings.entry(Setting::kRedisUrl).origin, url.error().message)};
  }
  if (const auto doubt = doubt_about_redis(context)) {
    say(*doubt + ": to use another, run this as root or set BIFROST_REDIS_URL");
  }
  return RedisClient::connect(*url, Deadline(kConnectTime));
}

}  // namespace bifrost::cachectl
