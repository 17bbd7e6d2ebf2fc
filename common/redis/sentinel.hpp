// sentinel.hpp - which server is the master right now, as Redis Sentinels say. Pure: who asks them is elsewhere.
//
// Asked anew for each connection, so that a failover is followed by connecting again. The first sentinel that names a
// master which can be reached decides.
#pragma once

#include <hiredis/hiredis.h>

#include <vector>

#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"
#include "common/redis/redis_url.hpp"

namespace bifrost {

// One per sentinel, in the order of the URL.
std::vector<RedisUrl> sentinels_of(const RedisUrl& url);

// What each is asked. Views into `url`.
Command question_to_sentinel(const RedisUrl& url);

// What is said of a server that sentinels named and that turns out to be no master.
inline constexpr const char* kNamedAReplica =
    "the sentinels named a server that follows another: a failover is under way";

// `url` with the master's address in place of the sentinels. Errors: kRefused, with the sentinel's reason.
Result<RedisUrl> master_from(const RedisUrl& url, const redisReply& answer);

}  // namespace bifrost
