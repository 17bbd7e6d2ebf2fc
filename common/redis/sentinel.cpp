#include "common/redis/sentinel.hpp"

#include <charconv>
#include <string>

namespace bifrost {

std::vector<RedisUrl> sentinels_of(const RedisUrl& url) {
  std::vector<RedisUrl> all;
  for (const RedisUrl::Sentinel& sentinel : url.sentinels) {
    RedisUrl one;
    one.host = sentinel.host;
    one.port = sentinel.port;
    one.password = url.sentinel_password;
    all.push_back(std::move(one));
  }
  return all;
}

Command question_to_sentinel(const RedisUrl& url) {
  return {"SENTINEL", "get-master-addr-by-name", url.master};
}

Result<RedisUrl> master_from(const RedisUrl& url, const redisReply& answer) {
  if (is_error(answer)) return Error{ErrorCode::kRefused, "the sentinel answered: " + std::string(text_of(answer))};
  const auto parts = elements_of(answer);
  RedisUrl master = url;
  if (parts.size() == 2) {
    const std::string_view port = text_of(*parts[1]);
    const auto [end, wrong] = std::from_chars(port.data(), port.data() + port.size(), master.port);
    if (wrong == std::errc() && end == port.data() + port.size() && master.port != 0) {
      master.transport = RedisUrl::Transport::kTcp;
      master.host = text_of(*parts[0]);
      return master;
    }
  }
  return Error{ErrorCode::kRefused, "the sentinel knows no master `" + url.master + "`"};
}

}  // namespace bifrost
