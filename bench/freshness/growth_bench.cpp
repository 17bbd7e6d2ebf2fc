// growth-bench: what do fences cost while modules are written, new ones or old ones anew?
//
//     growth-bench UNIX_SOCKET_OF_REDIS SEGMENT_DIR FIRST COUNT PER_DIRECTORY BYTES MB_PER_SECOND TOKEN
//
// Writes modules FIRST to FIRST + COUNT - 1 of BYTES each at that rate, TOKEN in their content, PER_DIRECTORY of them
// in each directory. Asks for fences meanwhile, one each 2 ms. A fence's time runs from when it was due, not from when
// the one before had been answered: a stall counts for everybody who would have asked during it. Prints one JSON
// object, times in microseconds.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "bench/freshness/or_fail.hpp"
#include "common/base/clock.hpp"
#include "common/control/agent_connection.hpp"
#include "common/redis/contract.hpp"
#include "common/redis/module_value.hpp"
#include "common/redis/redis_client.hpp"

namespace {

using namespace bifrost;
using bench::fail;
using bench::or_fail;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr milliseconds kInterval{2};
constexpr std::size_t kPerTransaction = 8;

struct Writing {
  std::string socket;
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t per_directory = 1;
  std::size_t bytes = 0;
  double mb_per_second = 0;
  std::string token;
};

void sleep_until(BootTime due) {
  const auto left = due.since(boot_now());
  if (left.count() > 0) std::this_thread::sleep_for(left);
}

void write_modules(const Writing& w) {
  RedisUrl url;
  url.transport = RedisUrl::Transport::kUnix;
  url.path = w.socket;
  RedisClient redis = or_fail(RedisClient::connect(url, Deadline(seconds(5))));
  const BootTime begun = boot_now();
  for (std::size_t done = 0; done < w.count;) {
    std::vector<std::vector<std::string>> texts = {{"MULTI"}};
    for (std::size_t i = 0; i < kPerTransaction && done < w.count; ++i, ++done) {
      const std::size_t module = w.first + done;
      const std::size_t directory = module / w.per_directory;
      const std::string path = "area" + std::to_string(directory / 50) + "/package" + std::to_string(directory) + "/m" +
                               std::to_string(module) + ".py";
      std::string content = "X = '" + w.token + " " + std::to_string(module) + "'\n";
      content.resize(std::max(content.size(), w.bytes), '#');
      texts.push_back({"SETEX", contract::key_of(ModulePath::parse(path).value()), "86400",
                       encode_module_value(path, content, w.token)});
      texts.push_back({"SADD", std::string(contract::kIndexKey), path});
    }
    texts.push_back({"EXEC"});
    std::vector<Command> commands;
    for (const auto& text : texts) commands.emplace_back(text.begin(), text.end());
    or_fail(redis.pipeline(commands, Deadline(seconds(30))));
    const double due_s = static_cast<double>(done * w.bytes) / (w.mb_per_second * 1e6);
    sleep_until(begun + nanoseconds(static_cast<std::int64_t>(due_s * 1e9)));
  }
}

double quantile(std::vector<double>& values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

bool running(pid_t child) {
  int status = 0;
  const pid_t ended = ::waitpid(child, &status, WNOHANG);
  if (ended == child && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) fail("the writer failed");
  return ended == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) fail("usage: growth-bench SOCKET SEGMENT_DIR FIRST COUNT PER_DIRECTORY BYTES MB_PER_SECOND TOKEN");
  const Writing writing{argv[1],
                        std::strtoull(argv[3], nullptr, 10),
                        std::strtoull(argv[4], nullptr, 10),
                        std::strtoull(argv[5], nullptr, 10),
                        std::strtoull(argv[6], nullptr, 10),
                        std::strtod(argv[7], nullptr),
                        argv[8]};
  const pid_t child = ::fork();
  if (child < 0) fail("no process to write");
  if (child == 0) {
    write_modules(writing);
    ::_exit(0);
  }
  AgentConnection agent(argv[2]);
  std::vector<double> us;
  const BootTime begun = boot_now();
  for (BootTime due = boot_now(); running(child); due = due + kInterval) {
    sleep_until(due);
    or_fail(agent.fence(Deadline(seconds(30))));
    us.push_back(static_cast<double>(boot_now().since(due).count()) / 1000);
  }
  const double took = static_cast<double>(boot_now().since(begun).count()) / 1e9;
  std::printf("{\"fences\": %zu, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, \"seconds\": %.2f}\n", us.size(),
              quantile(us, 0.5), quantile(us, 0.99), quantile(us, 1), took);
  return 0;
}
