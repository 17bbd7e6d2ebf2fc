#include "common/redis/redis_client.hpp"

#include <poll.h>

#include <cerrno>
#include <cstring>

#include "common/redis/host_addresses.hpp"
#include "common/redis/sentinel.hpp"

namespace bifrost {

namespace {

// A sentinel may name a server that has just been demoted. Who may not ask for the role believes the sentinel.
Status check_role(RedisClient& client, const Deadline& deadline) {
  auto role = client.command({"ROLE"}, deadline);
  if (!role) return role.error();
  const auto parts = elements_of(**role);
  if (parts.empty() || text_of(*parts[0]) != "slave") return Done{};
  return Error{ErrorCode::kUnreachable, kNamedAReplica};
}

Result<RedisUrl> ask_sentinel(const RedisUrl& url, const RedisUrl& sentinel, const Deadline& deadline) {
  auto asked = RedisClient::connect(sentinel, deadline);
  const auto answer = asked ? asked->command(question_to_sentinel(url), deadline) : Result<Reply>(asked.error());
  auto master = answer ? master_from(url, **answer) : Result<RedisUrl>(answer.error());
  if (!master) return Error{master.error().code, url.display() + ": " + master.error().message};
  return master;
}

Result<RedisClient> connect_to_master(const RedisUrl& master, const Deadline& deadline) {
  auto client = RedisClient::connect(master, deadline);
  if (!client) return client;
  if (const Status s = check_role(*client, deadline); !s) return s.error();
  return client;
}

// Sentinels share the time with the connection to the master that they name, which has all that is left. One that came
// back with its old file may name a master that has gone: then the next is asked. Why a master was not reached says
// more than why a sentinel was not.
Result<RedisClient> connect_by_sentinels(const RedisUrl& url, const Deadline& deadline) {
  Error why{ErrorCode::kUnreachable, "no sentinel was asked"};
  bool was_named = false;
  const auto sentinels = sentinels_of(url);
  for (std::size_t i = 0; i < sentinels.size(); ++i) {
    const auto left = deadline.instant().since(boot_now());
    const Deadline share(left / static_cast<long>(sentinels.size() - i + 1));
    const auto master = ask_sentinel(url, sentinels[i], share);
    auto client = master ? connect_to_master(*master, deadline) : Result<RedisClient>(master.error());
    if (client) return client;
    if (master || !was_named) why = client.error();
    was_named |= static_cast<bool>(master);
  }
  return why;
}

}  // namespace

Result<RedisClient> RedisClient::connect(const RedisUrl& url, const Deadline& deadline) {
  if (url.transport == RedisUrl::Transport::kSentinel) return connect_by_sentinels(url, deadline);
  auto client = reach(url, deadline);
  if (!client) return Error{client.error().code, url.display() + ": " + client.error().message};
  for (const auto& words : handshake_commands(url)) {
    auto reply = client->command(Command(words.begin(), words.end()), deadline);
    if (!reply) return Error{reply.error().code, url.display() + ": " + reply.error().message};
    if (is_error(**reply)) {
      return Error{ErrorCode::kRefused, url.display() + " refused " + words[0] + ": " + std::string(text_of(**reply))};
    }
  }
  return client;
}

// The addresses of a host share the time.
Result<RedisClient> RedisClient::reach(const RedisUrl& url, const Deadline& deadline) {
  if (url.transport == RedisUrl::Transport::kUnix) return open(url, deadline);
  const auto addresses = addresses_of(url.host, deadline);
  if (!addresses) return addresses.error();
  Result<RedisClient> client = Error{ErrorCode::kUnreachable, "no address"};
  for (std::size_t i = 0; i < addresses->size() && !client; ++i) {
    RedisUrl at = url;
    at.host = (*addresses)[i];
    const auto left = deadline.instant().since(boot_now());
    client = open(at, Deadline(left / static_cast<long>(addresses->size() - i)));
  }
  return client;
}

Result<RedisClient> RedisClient::open(const RedisUrl& url, const Deadline& deadline) {
  auto link = RedisLink::start(url);
  if (!link) return link.error();
  RedisClient client(std::move(*link));
  if (const Status s = client.wait(POLLOUT, deadline); !s) return s.error();
  if (const Status s = client.link_.finish_connect(); !s) return s.error();
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

Status RedisClient::pipelines(const std::vector<std::vector<Command>>& groups, const Deadline& deadline,
                              std::chrono::milliseconds patience,
                              const std::function<void(const std::vector<Reply>& replies)>& on_answered) {
  for (const auto& commands : groups) {
    for (const Command& c : commands) link_.append(c);
  }
  Deadline until = deadline;
  for (const auto& commands : groups) {
    const auto replies = exchange(commands.size(), until);
    if (!replies) return replies.error();
    on_answered(*replies);
    until = Deadline(patience);
  }
  return Done{};
}

Result<std::vector<Reply>> RedisClient::exchange(std::size_t expected, const Deadline& deadline) {
  if (!usable_) return Error{ErrorCode::kUnreachable, "the connection broke earlier"};
  usable_ = false;  // until every reply has arrived: a half-read reply must not be taken for the next command's
  std::vector<Reply> replies;
  replies.reserve(expected);
  // A server that turns somebody away says why, and hangs up: sending to it fails, and its words are there to be read.
  const auto broken = [&](Error error) {
    static_cast<void>(link_.receive());
    if (auto reply = link_.next_reply(); reply && *reply != nullptr) replies.push_back(std::move(*reply));
    if (!replies.empty() && is_error(*replies.back()) && !is_wrong_type(*replies.back())) {
      error.message = std::string(text_of(*replies.back())) + " (" + error.message + ")";
    }
    return error;
  };
  while (true) {
    if (const Status s = link_.flush(); !s) return broken(s.error());
    while (replies.size() < expected) {
      auto reply = link_.next_reply();
      if (!reply) return reply.error();
      if (*reply == nullptr) break;
      replies.push_back(std::move(*reply));
    }
    if (replies.size() == expected && !link_.wants_write()) break;
    const auto events = static_cast<short>(link_.wants_write() ? POLLIN | POLLOUT : POLLIN);
    if (const Status s = wait(events, deadline); !s) return s.error();
    if (const Status s = link_.receive(); !s) return broken(s.error());
  }
  usable_ = true;
  return replies;
}

Status RedisClient::wait(short events, const Deadline& deadline) {
  // Also where bytes keep coming, so that poll would never find that there is nothing.
  while (!deadline.passed()) {
    pollfd p{link_.fd(), events, 0};
    const int n = ::poll(&p, 1, deadline.poll_timeout_ms());
    if (n > 0) return Done{};
    if (n < 0 && errno != EINTR) return Error{ErrorCode::kIo, std::string("poll: ") + std::strerror(errno)};
  }
  return Error{ErrorCode::kTimeout, "no answer from Redis within the deadline"};
}

}  // namespace bifrost
