// redis_url.hpp - where a Redis is: redis://[user:pass@]host:port/db, unix://path?db=N, or with TLS
// rediss://[user:pass@]host:port/db[?ca=FILE&cert=FILE&key=FILE&name=SERVER].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/redis/tls_settings.hpp"

namespace bifrost {

struct RedisUrl {
  enum class Transport { kTcp, kUnix };

  Transport transport = Transport::kTcp;
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string path;  // kUnix
  std::string user;
  std::string password;
  unsigned db = 0;
  std::optional<TlsSettings> tls;  // rediss://

  // For logs, status and errors: never holds credentials.
  std::string display() const;
};

// Percent-encoding is decoded in user, password and path. `unix://` also takes [user:pass@] before the path.
// Errors (kInvalidArgument) never repeat the URL, which may hold a password.
Result<RedisUrl> parse_redis_url(std::string_view url);

}  // namespace bifrost
