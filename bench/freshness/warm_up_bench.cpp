// warm-up-bench: the peer of a warm-up, and when a node serves, both without a process started per look.
//
//     warm-up-bench gets UNIX_SOCKET_OF_REDIS                  seconds to GET all keys that stdin names, one a line
//     warm-up-bench await SEGMENT_DIR PID PATH SECONDS         PID 0: whatever agent is there
//
// `gets`: one connection, pipelined in windows of 128 with two under way, replies parsed and thrown away unmade.
// `await` prints one JSON object of CLOCK_BOOTTIME readings in nanoseconds: `content`, when PATH could first be read
// from a segment, whoever wrote it; `published`, when the segment of agent PID had its name; `fresh`, when its lease
// began.
#include <poll.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/freshness/or_fail.hpp"
#include "common/base/clock.hpp"
#include "common/reader/segment.hpp"
#include "common/redis/redis_link.hpp"

namespace {

using namespace bifrost;
using bench::fail;
using bench::or_fail;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kWindow = 128;

struct FreeReader {
  void operator()(redisReader* r) const { redisReaderFree(r); }
};

void wait_for(int fd, short events, const Deadline& deadline) {
  pollfd p{fd, events, 0};
  if (::poll(&p, 1, deadline.poll_timeout_ms()) <= 0) fail("Redis did not answer within the deadline");
}

void get_all(const std::string& socket) {
  std::vector<std::string> keys;
  for (std::string line; std::getline(std::cin, line);) keys.push_back(line);
  RedisUrl url;
  url.transport = RedisUrl::Transport::kUnix;
  url.path = socket;
  const Deadline deadline(seconds(120));
  RedisLink link = or_fail(RedisLink::start(url));
  or_fail(link.finish_connect());
  const std::unique_ptr<redisReader, FreeReader> reader(redisReaderCreateWithFunctions(nullptr));
  reader->maxbuf = 0;
  std::vector<char> buffer(256 * 1024);
  std::size_t asked = 0;
  std::size_t answered = 0;
  const BootTime begun = boot_now();
  while (answered < keys.size()) {
    while (asked < keys.size() && asked - answered <= kWindow) {
      for (std::size_t i = 0; i < kWindow && asked < keys.size(); ++i) link.append({"GET", keys[asked++]});
    }
    or_fail(link.flush());
    wait_for(link.fd(), static_cast<short>(POLLIN | (link.wants_write() ? POLLOUT : 0)), deadline);
    const ssize_t n = ::recv(link.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n == 0) fail("Redis closed the connection");
    if (n < 0) continue;
    redisReaderFeed(reader.get(), buffer.data(), static_cast<std::size_t>(n));
    for (void* reply = nullptr;; ++answered) {
      if (redisReaderGetReply(reader.get(), &reply) != REDIS_OK) fail("protocol error");
      if (reply == nullptr) break;
    }
  }
  std::printf("%.6f\n", static_cast<double>(boot_now().since(begun).count()) / 1e9);
}

void await(const std::string& dir, std::uint64_t pid, const std::string& path, const Deadline& deadline) {
  BootTime content, published, fresh;
  std::string body;
  std::shared_ptr<const Segment> segment;
  while (fresh.ns == 0) {
    if (deadline.passed()) fail("the agent did not get fresh within the deadline");
    // Attached anew only when there is another: mapping a large segment each time would slow down its writer.
    if (segment == nullptr || segment->retired()) {
      if (auto attached = Segment::attach(dir)) segment = *attached;
    }
    if (segment != nullptr) {
      const SegmentInfo info = segment->info();
      const bool ours = pid == 0 || info.agent_pid == pid;
      if (content.ns == 0) {
        const Snapshot snapshot = segment->snapshot();
        const Found found = snapshot.find_file(path);
        if (found.status == Lookup::kHit && snapshot.verify(found.record, body) == Lookup::kHit) content = boot_now();
      }
      if (published.ns == 0 && ours) published = boot_now();
      if (ours && segment->lease_valid(boot_now())) fresh = boot_now();
    }
    std::this_thread::sleep_for(milliseconds(1));  // leaves the processor to whom it waits for
  }
  std::printf("{\"content\": %llu, \"published\": %llu, \"fresh\": %llu}\n",
              static_cast<unsigned long long>(content.ns), static_cast<unsigned long long>(published.ns),
              static_cast<unsigned long long>(fresh.ns));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "gets") {
    get_all(words[1]);
  } else if (words.size() == 5 && words[0] == "await") {
    await(words[1], std::strtoull(words[2].c_str(), nullptr, 10), words[3],
          Deadline(seconds(std::atoi(words[4].c_str()))));
  } else {
    fail("usage: warm-up-bench gets SOCKET | warm-up-bench await SEGMENT_DIR PID PATH SECONDS");
  }
  return 0;
}
