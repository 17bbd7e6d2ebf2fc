// freshness-bench: how long until a write is visible, and what a fence costs, beside what Redis itself needs.
//
//     freshness-bench UNIX_SOCKET_OF_REDIS SEGMENT_DIR ROUNDS
//
// Prints one JSON object; times in microseconds. `visible` runs from sending SETEX to finding the new version in the
// segment, its peer from sending PUBLISH to having the message in a bare subscriber. `fence` is one request to the
// agent, its peers one PING, and one PING through a process in between that does nothing else, all over connections
// that are kept: what the two hand-overs more cost on this machine. `first_fence` is that of a process that has not
// asked before and has to connect, its peer `first_ping` connects to Redis. A fence and its peer go first
// in turns. The bench looks for the version again and again, with the processor offered to others in between: a worker
// would not, it would ask for a fence.
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/freshness/or_fail.hpp"
#include "common/base/clock.hpp"
#include "common/base/unique_fd.hpp"
#include "common/control/agent_connection.hpp"
#include "common/reader/segment.hpp"
#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"
#include "common/redis/redis_client.hpp"

namespace {

using namespace bifrost;
using bench::fail;
using bench::or_fail;
using std::chrono::seconds;

class Times {
 public:
  void add(BootTime from, BootTime to) { us_.push_back(static_cast<double>(to.since(from).count()) / 1000); }
  template <class Action>
  void time(Action action) {
    const BootTime from = boot_now();
    action();
    add(from, boot_now());
  }
  double quantile(double q) {
    std::sort(us_.begin(), us_.end());
    return us_[static_cast<std::size_t>(q * static_cast<double>(us_.size() - 1))];
  }
  std::string json() {
    char text[100];
    std::snprintf(text, sizeof text, "{\"p50\": %.1f, \"p99\": %.1f}", quantile(0.5), quantile(0.99));
    return text;
  }

 private:
  std::vector<double> us_;
};

RedisClient connect(const RedisUrl& url) {
  return or_fail(RedisClient::connect(url, Deadline(seconds(5))));
}

void wait_for_message(RedisLink& link, const Deadline& deadline) {
  while (or_fail(link.next_reply()) == nullptr) {
    pollfd p{link.fd(), POLLIN, 0};
    if (::poll(&p, 1, deadline.poll_timeout_ms()) <= 0) fail("no message within the deadline");
    or_fail(link.receive());
  }
}

// A process that does nothing but send a PING to Redis for every byte that it gets, and give the byte back.
class Relay {
 public:
  explicit Relay(const RedisUrl& url) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("no socket pair");
    near_ = UniqueFd(ends[0]);
    const UniqueFd far(ends[1]);
    child_ = ::fork();
    if (child_ < 0) fail("no process for the relay");
    if (child_ > 0) return;
    near_.reset();  // or the end of this program would not be seen
    RedisClient redis = connect(url);
    for (char byte; ::read(far.get(), &byte, 1) == 1;) {
      or_fail(redis.command({"PING"}, Deadline(seconds(5))));
      if (::write(far.get(), &byte, 1) != 1) break;
    }
    ::_exit(0);
  }
  ~Relay() {
    near_.reset();
    ::waitpid(child_, nullptr, 0);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void ping(const Deadline& deadline) {
    char byte = '.';
    pollfd p{near_.get(), POLLIN, 0};
    if (::write(near_.get(), &byte, 1) != 1 || ::poll(&p, 1, deadline.poll_timeout_ms()) != 1 ||
        ::read(near_.get(), &byte, 1) != 1) {
      fail("the relay does not answer");
    }
  }

 private:
  UniqueFd near_;
  pid_t child_ = -1;
};

// Who goes first after a write pays for what the write leaves to do.
template <class Ours, class Peer>
void in_turns(int round, Ours ours, Peer peer) {
  if (round % 2 == 0) ours();
  peer();
  if (round % 2 != 0) ours();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: freshness-bench UNIX_SOCKET_OF_REDIS SEGMENT_DIR ROUNDS");
  RedisUrl url;
  url.transport = RedisUrl::Transport::kUnix;
  url.path = argv[1];
  const std::string dir = argv[2];
  const int rounds = std::atoi(argv[3]);
  const std::string path = "bench/changing.py";
  const std::string key = std::string(contract::kPrefix).append(path);

  Relay relay(url);  // first: it shares no connection
  RedisClient writer = connect(url);
  RedisClient publisher = connect(url);
  RedisLink subscriber = or_fail(RedisLink::start(url));
  or_fail(subscriber.finish_connect());
  subscriber.append({"SUBSCRIBE", "bench"});
  or_fail(subscriber.flush());
  wait_for_message(subscriber, Deadline(seconds(5)));
  std::shared_ptr<const Segment> segment = or_fail(Segment::attach(dir));
  AgentConnection agent(dir);

  Times visible, after_ack, delivered, fence, relayed, ping, first_fence, first_ping;
  for (int round = 0; round < rounds; ++round) {
    const std::string content = "VERSION = " + std::to_string(round) + "\n" + std::string(7000, '#');
    const std::string value = encode_module_value(path, content, std::to_string(round));
    const Deadline deadline(seconds(10));

    const BootTime sent = boot_now();
    or_fail(writer.command({"SETEX", key, "86400", value}, deadline));
    const BootTime acknowledged = boot_now();
    for (std::string body;;) {
      if (segment->retired()) segment = or_fail(Segment::attach(dir));
      const Snapshot snapshot = segment->snapshot();
      const Found found = snapshot.find_file(path);
      if (found.status == Lookup::kHit && snapshot.verify(found.record, body) == Lookup::kHit &&
          Snapshot::content_in(found.record, body) == content) {
        break;
      }
      if (deadline.passed()) fail("a write did not become visible within 10 s");
      ::sched_yield();  // or the agent may be put on this processor, and wait 3 ms for its turn
    }
    const BootTime seen = boot_now();
    visible.add(sent, seen);
    after_ack.add(acknowledged, seen);

    const BootTime published = boot_now();
    or_fail(publisher.command({"PUBLISH", "bench", content}, deadline));
    wait_for_message(subscriber, deadline);
    delivered.add(published, boot_now());

    in_turns(
        round, [&] { fence.time([&] { or_fail(agent.fence(deadline)); }); },
        [&] { ping.time([&] { or_fail(writer.command({"PING"}, deadline)); }); });
    in_turns(
        round, [&] { first_fence.time([&] { or_fail(AgentConnection(dir).fence(deadline)); }); },
        [&] { first_ping.time([&] { or_fail(connect(url).command({"PING"}, deadline)); }); });
    relayed.time([&] { relay.ping(deadline); });
  }
  std::printf(
      "{\"visible_us\": %s, \"visible_after_ack_us\": %s, \"pubsub_us\": %s, \"fence_us\": %s, \"relay_us\": %s, "
      "\"ping_us\": %s, \"first_fence_us\": %s, \"first_ping_us\": %s}\n",
      visible.json().c_str(), after_ack.json().c_str(), delivered.json().c_str(), fence.json().c_str(),
      relayed.json().c_str(), ping.json().c_str(), first_fence.json().c_str(), first_ping.json().c_str());
  return 0;
}
