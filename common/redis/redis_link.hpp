// redis_link.hpp - one non-blocking connection to Redis: hiredis' reader and writer, driven from outside.
//
// hiredis 0.14.1's async layer hands the PONG of a subscribed connection to the wrong callback, and its blocking layer
// knows no deadline for a whole reply. So neither is used: the owner polls fd() and calls flush() and receive().
// The agent drives it from its event loop, RedisClient with poll(2). Errors are sticky: a broken link is replaced.
// Concurrency: one owner, one thread.
#pragma once

#include <hiredis/hiredis.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/redis/redis_url.hpp"
#include "common/redis/tls_stream.hpp"

namespace bifrost {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

// Of SCAN and SSCAN; also the cursor behind the last page.
inline constexpr std::string_view kFirstCursor = "0";

// Of what an error says, which goes into messages and logs, the beginning.
inline constexpr std::size_t kMostErrorBytes = 500;
inline std::string_view text_of(const redisReply& r) {
  if (r.str == nullptr) return {};
  return {r.str, r.type == REDIS_REPLY_ERROR ? std::min(r.len, kMostErrorBytes) : r.len};
}
inline bool is_string(const redisReply& r) {
  return r.type == REDIS_REPLY_STRING || r.type == REDIS_REPLY_STATUS;
}
inline bool is_error(const redisReply& r) {
  return r.type == REDIS_REPLY_ERROR;
}
// Of the value of one key. Any other error is about the server or its user: loading, no permission, ...
inline bool is_wrong_type(const redisReply& r) {
  return is_error(r) && text_of(r).starts_with("WRONGTYPE");
}
inline bool is_no_permission(const redisReply& r) {
  return is_error(r) && text_of(r).starts_with("NOPERM");
}
// The server or its user does without this command. (It has been renamed, or never was there.)
inline bool is_not_to_be_had(const redisReply& r) {
  return is_no_permission(r) || (is_error(r) && text_of(r).starts_with("ERR unknown command"));
}
inline bool is_misconf(const redisReply& r) {
  return is_error(r) && text_of(r).starts_with("MISCONF");
}
// Redis refuses what writes while it cannot save its data, and by the same words PING: an answer, as PONG is one.
inline bool refuses_to_answer(const redisReply& r) {
  return is_error(r) && !is_misconf(r);
}
inline bool is_nil(const redisReply& r) {
  return r.type == REDIS_REPLY_NIL;
}
inline std::span<redisReply*> elements_of(const redisReply& r) {
  return r.type == REDIS_REPLY_ARRAY ? std::span(r.element, r.elements) : std::span<redisReply*>{};
}

// Arguments are binary-safe.
using Command = std::vector<std::string_view>;

class RedisLink {
 public:
  // Starts to connect; a host name must already be an address if this must not block (getaddrinfo).
  static Result<RedisLink> start(const RedisUrl& url);

  int fd() const { return context_->fd; }
  // The descriptor is somebody else's by now, and is not closed.
  void abandon() { context_->fd = -1; }

  // Whether the connection attempt has ended well. Call once fd() is writable.
  Status finish_connect();

  // Queues a command; nothing is sent before flush().
  void append(const Command& command);
  // Whether flush() has something to do. With TLS, next_reply() may bring that about.
  bool wants_write() const {
    if (tls_ == nullptr) return !unsent_.empty();
    return !sealed_.empty() || (tls_->ready() && !unsent_.empty());
  }
  // Writes what the socket takes.
  Status flush();
  // Reads what the socket has, up to kReceiveBytes.
  static constexpr std::size_t kReceiveBytes = 256 * 1024;
  Status receive();
  // The next complete reply among the received bytes, or null when there is none yet.
  Result<Reply> next_reply();

 private:
  struct FreeContext {
    void operator()(redisContext* c) const { redisFree(c); }
  };
  explicit RedisLink(redisContext* context) : context_(context) {}
  void append_header(char kind, std::size_t number);
  Status take(std::string_view received);
  Status take_piece();

  std::unique_ptr<redisContext, FreeContext> context_;
  std::string unsent_;
  std::unique_ptr<char[]> received_;  // kReceiveBytes, of which [taken_, end_) hiredis does not have yet
  std::size_t taken_ = 0;
  std::size_t end_ = 0;
  std::unique_ptr<TlsStream> tls_;  // null: plain
  std::string sealed_;              // what of unsent_ and of the handshake goes out
  std::string opened_;
};

// The commands that every new connection needs first: AUTH when there are credentials, SELECT when db != 0.
std::vector<std::vector<std::string>> handshake_commands(const RedisUrl& url);

}  // namespace bifrost
