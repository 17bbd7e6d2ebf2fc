// redis_url.hpp - where a Redis is: redis://[user:pass@]host:port/db, unix://path?db=N, or with TLS
// rediss://[user:pass@]host:port/db[?ca=FILE&cert=FILE&key=FILE&name=SERVER], or whichever server Sentinels call
// master: redis+sentinel://[user:pass@]host:port,host:port/MASTER[/db][?sentinel_password=...].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/redis/tls_settings.hpp"

namespace bifrost {

struct RedisUrl {
  enum class Transport { kTcp, kUnix, kSentinel };
  struct Sentinel {
    std::string host;
    std::uint16_t port = 26379;
  };

  Transport transport = Transport::kTcp;
  std::string host = "localhost";
  std::uint16_t port = 6379;
  std::string path;  // kUnix
  std::string user;
  std::string password;
  unsigned db = 0;
  std::optional<TlsSettings> tls;  // rediss://
  // kSentinel: who is asked for the address of the master of that name (sentinel.hpp).
  std::vector<Sentinel> sentinels;
  std::string master;
  std::string sentinel_password;

  // For logs, status and errors: never holds credentials.
  std::string display() const;
};

// Percent-encoding is decoded in user, password and path. `unix://` also takes [user:pass@] before the path.
// Errors (kInvalidArgument) never repeat the URL, which may hold a password.
Result<RedisUrl> parse_redis_url(std::string_view url);

}  // namespace bifrost
