#include "agent/loop/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>

#include "common/base/unique_fd.hpp"

namespace bifrost::agent {
namespace {

// The other side closes with something unread: the kernel tells of it as an error, and libuv then watches no longer.
TEST(PollerTest, WhoeverReadsWhatCameBeforeAnErrorLearnsOfTheEnd) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  ASSERT_EQ(::send(ours.get(), "unread", 6, 0), 6);
  ASSERT_EQ(::send(theirs.get(), "last", 4, 0), 4);
  theirs.reset();

  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  ssize_t read = 1;
  int looks = 0;
  std::unique_ptr<Poller> poller;
  std::unique_ptr<Timer> late;
  const auto finish = [&] {
    poller.reset();
    late.reset();
  };
  poller = std::make_unique<Poller>(&loop, ours.get(), [&](bool readable, bool) {
    char one[4];
    if (readable) read = ::recv(ours.get(), one, sizeof one, 0);
    ++looks;
    read > 0 ? poller->watch(true, false) : finish();
  });
  late = std::make_unique<Timer>(&loop, finish);
  late->every(std::chrono::seconds(10));
  poller->watch(true, false);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_LE(read, 0) << "after " << looks << " looks";
  EXPECT_EQ(uv_loop_close(&loop), 0);
}

}  // namespace
}  // namespace bifrost::agent
