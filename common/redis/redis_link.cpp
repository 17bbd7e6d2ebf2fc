#include "common/redis/redis_link.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>

namespace bifrost {

Result<RedisLink> RedisLink::start(const RedisUrl& url) {
  if (url.transport == RedisUrl::Transport::kSentinel) {
    return Error{ErrorCode::kInvalidArgument, "the sentinels were not asked for the master"};
  }
  redisContext* context = url.transport == RedisUrl::Transport::kUnix
                              ? redisConnectUnixNonBlock(url.path.c_str())
                              : redisConnectNonBlock(url.host.c_str(), url.port);
  if (context == nullptr) return Error{ErrorCode::kNoSpace, "out of memory while connecting to Redis"};
  // hiredis frees its input buffer whenever it is empty and above this; 16 KiB would be at every batch of modules.
  context->reader->maxbuf = 2 << 20;
  RedisLink link(context);
  // An authenticated connection is not for the programs that this process starts. hiredis does not say SOCK_CLOEXEC.
  if (context->fd >= 0) ::fcntl(context->fd, F_SETFD, FD_CLOEXEC);
  if (url.tls) {
    auto tls = TlsStream::client(*url.tls);
    if (!tls) return tls.error();
    link.tls_ = std::move(*tls);
  }
  if (context->err != 0) {
    return Error{ErrorCode::kUnreachable, context->errstr};
  }
  return link;
}

Status RedisLink::finish_connect() {
  int err = 0;
  socklen_t length = sizeof err;
  if (::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &err, &length) != 0) err = errno;
  if (err != 0) return Error{ErrorCode::kUnreachable, std::string("connect: ") + std::strerror(err)};
  context_->flags |= REDIS_CONNECTED;
  return Done{};
}

void RedisLink::append_header(char kind, std::size_t number) {
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
  unsent_.push_back(kind);
  unsent_.append(digits, end).append("\r\n");
}

void RedisLink::append(const Command& command) {
  append_header('*', command.size());
  for (const std::string_view argument : command) {
    append_header('$', argument.size());
    unsent_.append(argument).append("\r\n");
  }
}

Status RedisLink::flush() {
  if (tls_ != nullptr) {
    if (const Status s = tls_->seal(unsent_, sealed_); !s) return s;
  }
  std::string& out = tls_ != nullptr ? sealed_ : unsent_;
  std::size_t sent = 0;
  while (sent < out.size()) {
    // Not hiredis' redisBufferWrite: it raises SIGPIPE, which would end a host process that does not ignore it.
    const ssize_t n = ::send(fd(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) return Error{ErrorCode::kUnreachable, std::string("write: ") + std::strerror(errno)};
    sent += static_cast<std::size_t>(n);
  }
  out.erase(0, sent);
  return Done{};
}

Status RedisLink::take(std::string_view received) {
  if (tls_ != nullptr) {
    opened_.clear();
    if (const Status s = tls_->open(received, opened_, sealed_); !s) return s;
    received = opened_;
  }
  if (redisReaderFeed(context_->reader, received.data(), received.size()) != REDIS_OK) {
    return Error{ErrorCode::kUnreachable, std::string("read: ") + context_->reader->errstr};
  }
  return Done{};
}

Status RedisLink::receive() {
  while (taken_ != end_) {
    if (const Status s = take_piece(); !s) return s;
  }
  if (received_ == nullptr) received_.reset(new char[kReceiveBytes]);
  ssize_t n = 0;
  do {
    n = ::recv(fd(), received_.get(), kReceiveBytes, 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Done{};
  if (n < 0) return Error{ErrorCode::kUnreachable, std::string("read: ") + std::strerror(errno)};
  if (n == 0) return Error{ErrorCode::kUnreachable, "Redis closed the connection"};
  taken_ = 0;
  end_ = static_cast<std::size_t>(n);
  return Done{};
}

// hiredis moves the rest of its buffer with each reply that it hands out: so it never has much.
Status RedisLink::take_piece() {
  constexpr std::size_t kPieceBytes = 32 * 1024;
  const std::size_t bytes = std::min(kPieceBytes, end_ - taken_);
  const std::string_view piece(received_.get() + taken_, bytes);
  taken_ += bytes;
  return take(piece);
}

Result<Reply> RedisLink::next_reply() {
  while (true) {
    void* raw = nullptr;
    if (redisReaderGetReply(context_->reader, &raw) != REDIS_OK) {
      return Error{ErrorCode::kUnreachable, std::string("protocol: ") + context_->reader->errstr};
    }
    if (raw != nullptr || taken_ == end_) return Reply(static_cast<redisReply*>(raw));
    if (const Status s = take_piece(); !s) return s.error();
  }
}

std::vector<std::vector<std::string>> handshake_commands(const RedisUrl& url) {
  std::vector<std::vector<std::string>> commands;
  if (!url.user.empty()) {
    commands.push_back({"AUTH", url.user, url.password});
  } else if (!url.password.empty()) {
    commands.push_back({"AUTH", url.password});
  }
  if (url.db != 0) commands.push_back({"SELECT", std::to_string(url.db)});
  return commands;
}

}  // namespace bifrost
