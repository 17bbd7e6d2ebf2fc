#include "common/redis/redis_client.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost {
namespace {

using namespace std::chrono_literals;

// A listening Unix socket in a directory of its own.
class RedisClientTest : public ::testing::Test {
 protected:
  RedisClientTest() {
    std::string pattern = "/dev/shm/bifrost-test-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
    url_.transport = RedisUrl::Transport::kUnix;
    url_.path = dir_ + "/redis.sock";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, url_.path.c_str(), sizeof address.sun_path - 1);
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
  }
  ~RedisClientTest() override { std::filesystem::remove_all(dir_); }

  std::string dir_;
  RedisUrl url_;
  UniqueFd listener_;
};

TEST_F(RedisClientTest, AReplyThatNeverEndsIsCutOffAtTheDeadline) {
  std::thread server([&] {
    const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
    const Deadline patience(20s);  // a client that waits for more finds the connection closed instead
    std::string bytes = "$500000000\r\n";
    while (!patience.passed() && ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
      bytes.assign(16'384, 'x');  // so much that there is always something to read
    }
  });
  {
    auto client = RedisClient::connect(url_, Deadline(10s));
    ASSERT_TRUE(client) << client.error().message;
    const auto reply = client->command({"GET", "a"}, Deadline(100ms));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::kTimeout) << reply.error().message;
    EXPECT_FALSE(client->usable());
  }
  server.join();
}

TEST_F(RedisClientTest, AfterTheDeadlineNothingIsReadAlthoughThereAlwaysIsSomething) {
  auto client = RedisClient::connect(url_, Deadline(10s));
  ASSERT_TRUE(client) << client.error().message;
  const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
  ASSERT_EQ(::send(connection.get(), "+PONG\r\n", 7, MSG_NOSIGNAL), 7);
  const auto reply = client->command({"PING"}, Deadline(0s));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kTimeout);
}

TEST_F(RedisClientTest, IsNotInheritedByProgramsThatThisOneStarts) {
  const auto over_unix = RedisLink::start(url_);
  ASSERT_TRUE(over_unix) << over_unix.error().message;
  EXPECT_NE(::fcntl(over_unix->fd(), F_GETFD) & FD_CLOEXEC, 0);

  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  RedisUrl tcp;
  tcp.host = "127.0.0.1";
  tcp.port = ntohs(address.sin_port);
  const auto over_tcp = RedisLink::start(tcp);
  ASSERT_TRUE(over_tcp) << over_tcp.error().message;
  EXPECT_NE(::fcntl(over_tcp->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

// It goes into messages, logs and screens, and the server decides how long it is.
TEST(RedisReplyTest, OfAnErrorOnlyTheBeginningIsRead) {
  std::string text(700'000, 'x');
  redisReply reply{};
  reply.str = text.data();
  reply.len = text.size();
  reply.type = REDIS_REPLY_ERROR;
  EXPECT_EQ(text_of(reply).size(), kMostErrorBytes);
  reply.type = REDIS_REPLY_STRING;
  EXPECT_EQ(text_of(reply).size(), text.size());
}

}  // namespace
}  // namespace bifrost
