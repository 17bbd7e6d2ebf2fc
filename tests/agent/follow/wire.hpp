// wire.hpp - replies as they come over the wire, parsed by the reader that the agent uses.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

inline Reply parsed(const std::string& wire) {
  redisReader* reader = redisReaderCreate();
  redisReaderFeed(reader, wire.data(), wire.size());
  void* reply = nullptr;
  EXPECT_EQ(redisReaderGetReply(reader, &reply), REDIS_OK);
  redisReaderFree(reader);
  return Reply(static_cast<redisReply*>(reply));
}

inline std::string bulk(std::string_view s) {
  return "$" + std::to_string(s.size()) + "\r\n" + std::string(s) + "\r\n";
}

}  // namespace bifrost::agent
