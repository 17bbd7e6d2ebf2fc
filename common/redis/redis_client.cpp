#include "common/redis/redis_client.hpp"

#include <poll.h>

#include <cerrno>
#include <cstring>

namespace bifrost {

Result<RedisClient> RedisClient::connect(const RedisUrl& url, const Deadline& deadline) {
  auto link = RedisLink::start(url);
  if (!link) return link.error();
  RedisClient client(std::move(*link));
  if (const Status s = client.wait(POLLOUT, deadline); !s) {
    return Error{s.error().code, url.display() + ": " + s.error().message};
  }
  if (const Status s = client.link_.finish_connect(); !s) {
    return Error{s.error().code, url.display() + ": " + s.error().message};
  }
  for (const auto& words : handshake_commands(url)) {
    auto reply = client.command(Command(words.begin(), words.end()), deadline);
    if (!reply) return Error{reply.error().code, url.display() + ": " + reply.error().message};
    if (is_error(**reply)) {
      return Error{ErrorCode::kRefused, url.display() + " refused " + words[0] + ": " + std::string(text_of(**reply))};
    }
  }
  return client;
}

Result<Reply> RedisClient::command(const Command& command, const Deadline& deadline) {
  link_.append(command);
  auto replies = exchange(1, deadline);
  if (!replies) return replies.error();
  return std::move(replies->front());
}

Result<std::vector<Reply>> RedisClient::pipeline(const std::vector<Command>& commands, const Deadline& deadline) {
  for (const Command& c : commands) link_.append(c);
  return exchange(commands.size(), deadline);
}

Result<std::vector<Reply>> RedisClient::exchange(std::size_t expected, const Deadline& deadline) {
  if (!usable_) return Error{ErrorCode::kUnreachable, "the connection broke earlier"};
  usable_ = false;  // until every reply has arrived: a half-read reply must not be taken for the next command's
  std::vector<Reply> replies;
  replies.reserve(expected);
  while (true) {
    if (const Status s = link_.flush(); !s) return s.error();
    while (replies.size() < expected) {
      auto reply = link_.next_reply();
      if (!reply) return reply.error();
      if (*reply == nullptr) break;
      replies.push_back(std::move(*reply));
    }
    if (replies.size() == expected && !link_.wants_write()) break;
    const auto events = static_cast<short>(link_.wants_write() ? POLLIN | POLLOUT : POLLIN);
    if (const Status s = wait(events, deadline); !s) return s.error();
    if (const Status s = link_.receive(); !s) return s.error();
  }
  usable_ = true;
  return replies;
}

Status RedisClient::wait(short events, const Deadline& deadline) {
  while (true) {
    pollfd p{link_.fd(), events, 0};
    const int n = ::poll(&p, 1, deadline.poll_timeout_ms());
    if (n > 0) return Done{};
    if (n == 0) return Error{ErrorCode::kTimeout, "no answer from Redis within the deadline"};
    if (errno != EINTR) return Error{ErrorCode::kIo, std::string("poll: ") + std::strerror(errno)};
  }
}

}  // namespace bifrost
