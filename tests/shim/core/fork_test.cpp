// Forks while other threads hold whatever they hold: children must find every lock free and begin with nothing of the
// parent's. (Python forks under the GIL, which makes this rare there, not impossible: waits are without it.)
#include <sys/wait.h>

#include <map>
#include <thread>
#include <vector>

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

constexpr int kThreads = 3;
constexpr int kForks = 2000;
constexpr unsigned kPatienceSeconds = 20;

class ForkTest : public ShimFixture {
 protected:
  // The child's exit code; a signal's number, negated, when it was killed: by SIGALRM when it hung.
  template <class Body>
  static int in_child(const Body& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(kPatienceSeconds);
      ::_exit(body());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
};

TEST_F(ForkTest, NoChildHangsWhateverThreadsOfItsParentDo) {
  put("x.py", "x = 1");
  agent();
  begin();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int n = 0; n < kThreads; ++n) {
    threads.emplace_back([&, n] {
      for (int round = 0; !stop; ++round) {
        static_cast<void>(worker().wait_fresh(Deadline(std::chrono::seconds(5))));
        worker().loaded().note_absent({}, std::to_string(n) + "." + std::to_string(round % 1000), Resolution());
        worker().move_to_newest();
      }
    });
  }
  ExecutionRequest patient;  // a busy machine must not look like a fault
  patient.timeout = std::chrono::seconds(10);
  std::map<int, int> codes;
  for (int n = 0; n < kForks; ++n) {
    ++codes[in_child([&] {
      return worker().begin(patient).view->authority == Authority::kMirror && import("x") == "x = 1" ? 0 : 1;
    })];
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(codes, (std::map<int, int>{{0, kForks}}));
}

TEST_F(ForkTest, ChildrenCountFromZero) {
  put("x.py", "x = 1");
  agent();
  begin();
  import("x");
  EXPECT_GT(count(ShimCounter::kHits), 0u);
  const auto counted = [&] {
    std::uint64_t all = 0;
    for (std::size_t c = 0; c < kShimCounterInfo.size(); ++c) all += count(static_cast<ShimCounter>(c));
    return all == 0 ? 0 : 1;
  };
  EXPECT_EQ(in_child(counted), 0);
  EXPECT_GT(count(ShimCounter::kHits), 0u);
}

}  // namespace
}  // namespace bifrost
