// freshness-bench: how long until a write is visible, and what a fence costs, beside what Redis itself needs.
//
//     freshness-bench UNIX_SOCKET_OF_REDIS SEGMENT_DIR ROUNDS
//
// Prints one JSON object; times in microseconds. `visible` runs from sending SETEX to finding the new version in the
// segment, its peer from sending PUBLISH to having the message in a bare subscriber. `fence` is one request to the
// agent, its peer one PING. Rounds of a pair alternate, so that a noisy machine disturbs both alike. The bench spins
// while it waits for the segment: a worker would not, it would ask for a fence.
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/freshness/or_fail.hpp"
#include "common/base/clock.hpp"
#include "common/control/control_client.hpp"
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: freshness-bench UNIX_SOCKET_OF_REDIS SEGMENT_DIR ROUNDS");
  RedisUrl url;
  url.transport = RedisUrl::Transport::kUnix;
  url.path = argv[1];
  const std::string dir = argv[2];
  const int rounds = std::atoi(argv[3]);
  const std::string path = "bench/changing.py";
  const std::string key = contract::key_of(path);

  RedisClient writer = connect(url);
  RedisClient publisher = connect(url);
  RedisLink subscriber = or_fail(RedisLink::start(url));
  or_fail(subscriber.finish_connect());
  subscriber.append({"SUBSCRIBE", "bench"});
  or_fail(subscriber.flush());
  wait_for_message(subscriber, Deadline(seconds(5)));
  std::shared_ptr<const Segment> segment = or_fail(Segment::attach(dir));

  Times visible, after_ack, delivered, fence, ping;
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
    }
    const BootTime seen = boot_now();
    visible.add(sent, seen);
    after_ack.add(acknowledged, seen);

    const BootTime published = boot_now();
    or_fail(publisher.command({"PUBLISH", "bench", content}, deadline));
    wait_for_message(subscriber, deadline);
    delivered.add(published, boot_now());

    const BootTime asked = boot_now();
    or_fail(ask_fence(dir, deadline));
    fence.add(asked, boot_now());
    const BootTime pinged = boot_now();
    or_fail(writer.command({"PING"}, deadline));
    ping.add(pinged, boot_now());
  }
  std::printf(
      "{\"visible_us\": %s, \"visible_after_ack_us\": %s, \"pubsub_us\": %s, \"fence_us\": %s, \"ping_us\": %s}\n",
      visible.json().c_str(), after_ack.json().c_str(), delivered.json().c_str(), fence.json().c_str(),
      ping.json().c_str());
  return 0;
}
