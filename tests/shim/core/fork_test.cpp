// Forks while other threads hold whatever they hold: children must find every lock free and begin with nothing of the
// parent's. (Python forks under the GIL, which makes this rare there, not impossible: waits are without it.)
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <thread>
#include <vector>

#include "tests/shim/lost_snapshot_fixture.hpp"

namespace bifrost {
namespace {

constexpr int kThreads = 3;
constexpr int kForks = 2000;
constexpr unsigned kPatienceSeconds = 20;

template <class Body>
pid_t start_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kPatienceSeconds);
    ::_exit(body());
  }
  return child;
}

// The child's exit code; a signal's number, negated, when it was killed: by SIGALRM when it hung.
int end_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

template <class Body>
int in_child(const Body& body) {
  return end_of(start_child(body));
}

// One that goes on when it is told to.
class WaitingChild {
 public:
  template <class Body>
  explicit WaitingChild(const Body& body) {
    EXPECT_EQ(::pipe(go_on_), 0);
    child_ = start_child([&] {
      char byte = 0;
      return ::read(go_on_[0], &byte, 1) == 1 ? body() : 2;
    });
  }
  ~WaitingChild() {
    for (const int end : go_on_) ::close(end);
  }
  WaitingChild(const WaitingChild&) = delete;
  WaitingChild& operator=(const WaitingChild&) = delete;

  // How it ends.
  int go_on() {
    EXPECT_EQ(::write(go_on_[1], "", 1), 1);
    return end_of(child_);
  }

 private:
  int go_on_[2] = {-1, -1};
  pid_t child_ = -1;
};

class ForkTest : public ShimFixture {};

// An execution that goes on in two processes, in one of which it has to move.
class ForkedExecutionTest : public LostSnapshotFixture {
 protected:
  void begin_with_x() {
    begin();
    load("x");
  }
  void publish_y_and_lose_the_snapshot(int version) {
    publish("y.py", version_of_y(version));
    lose_the_snapshot();
  }
  // 0 when the child finds that.
  int child_that_imports_y(int version) {
    return in_child([&] { return import("y") == version_of_y(version) ? 0 : 1; });
  }
  // Where `name` has that source.
  int child_that_takes_the_newest(const std::string& name, const std::string& source) {
    return in_child([&] {
      worker().move_to_newest();
      return import(name) == source ? 0 : 1;
    });
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

// In the child nothing has changed of what it knows; what its parent loads it cannot know.
TEST_F(ForkedExecutionTest, AChildThatGoesOnWithAnotherGenerationIsKnownToItsParent) {
  begin_with_x();
  publish_y_and_lose_the_snapshot(2);
  EXPECT_EQ(child_that_imports_y(2), 0);
  EXPECT_TRUE(intact()) << "what the parent has loaded before the fork is the same";
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_FALSE(intact());
  EXPECT_TRUE(worker().take_lost_notice());
  EXPECT_EQ(count(ShimCounter::kSnapshotLost), 0u) << "this process still has its own";
}

TEST_F(ForkedExecutionTest, AParentThatGoesOnKnowsThatItsChildHasTakenSomething) {
  begin_with_x();
  EXPECT_EQ(child_that_imports_y(1), 0);
  EXPECT_TRUE(intact()) << "both at one generation";
  publish_y_and_lose_the_snapshot(2);
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_FALSE(intact());
  const auto notice = worker().take_lost_notice();
  ASSERT_TRUE(notice);
  EXPECT_NE(notice->find("another process"), std::string::npos) << *notice;
}

TEST_F(ForkedExecutionTest, AChildThatTakesSomethingAfterItsParentHasGoneOnIsKnownToBoth) {
  begin_with_x();
  WaitingChild child([&] { return import("x") == "x = 1" && !intact() ? 0 : 1; });
  publish("y.py", version_of_y(2));
  worker().move_to_newest();
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_TRUE(intact()) << "the child has taken nothing yet";
  EXPECT_EQ(child.go_on(), 0);
  EXPECT_FALSE(intact());
}

TEST_F(ForkedExecutionTest, AGrandchildIsWhereItsParentIsNotWhereOthersHaveGone) {
  begin_with_x();
  WaitingChild child([&] { return child_that_imports_y(1); });
  publish("y.py", version_of_y(2));
  worker().move_to_newest();
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_TRUE(intact());
  EXPECT_EQ(child.go_on(), 0);
  EXPECT_FALSE(intact());
}

TEST_F(ForkedExecutionTest, AChildThatMovesLeavesAParentBehindThatHasTakenSomething) {
  begin_with_x();
  WaitingChild child([&] {
    worker().move_to_newest();
    return 0;
  });
  EXPECT_EQ(import("y"), version_of_y(1));
  publish("y.py", version_of_y(2));
  EXPECT_TRUE(intact());
  EXPECT_EQ(child.go_on(), 0);
  EXPECT_FALSE(intact());
}

TEST_F(ForkedExecutionTest, ChildrenThatTakeTheNewestFirstAreOfOneGeneration) {
  begin_with_x();
  publish("y.py", version_of_y(2));
  EXPECT_EQ(in_child([&] {
              worker().move_to_newest();
              return import("y") == version_of_y(2) && import("x") == "x = 1" ? 0 : 1;
            }),
            0);
  EXPECT_TRUE(intact());
}

TEST_F(ForkedExecutionTest, WhatChildrenDoInExecutionsOfTheirOwnIsNoMatter) {
  begin_with_x();
  publish_y_and_lose_the_snapshot(2);
  EXPECT_EQ(in_child([&] {
              begin();
              return import("y") == version_of_y(2) && intact() ? 0 : 1;
            }),
            0);
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_TRUE(intact()) << "nobody else goes on with it";
  EXPECT_EQ(child_that_imports_y(2), 0);
  EXPECT_TRUE(intact()) << "it was forked after that";
  worker().move_to_newest();
  EXPECT_TRUE(intact()) << "to where it is";
}

// They share what is loaded: a move of one is compared with what the other takes.
TEST_F(ForkedExecutionTest, ThreadsOfOneProcessAreNotOtherProcesses) {
  begin_with_x();
  EXPECT_EQ(in_child([] { return 0; }), 0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> importing;
  for (int n = 0; n < kThreads; ++n) {
    importing.emplace_back([&] {
      while (!stop) top_level("nowhere");
    });
  }
  for (int n = 0; n < 3000; ++n) {
    publish("other.py", "n = " + std::to_string(n));
    worker().move_to_newest();
  }
  stop = true;
  for (std::thread& thread : importing) thread.join();
  EXPECT_TRUE(intact());
  EXPECT_EQ(count(ShimCounter::kSnapshotLost), 0u);
}

TEST_F(ForkedExecutionTest, WhereOnlyOneGenerationIsWantedWhoeverComesSecondIsRefused) {
  on_stale_ = "error";
  begin_with_x();
  publish_y_and_lose_the_snapshot(2);
  EXPECT_EQ(child_that_imports_y(2), 0);
  EXPECT_EQ(in_child([&] { return import("y") == "<refused>" && import("x") == "<refused>" ? 0 : 1; }), 0);
  EXPECT_EQ(import("x"), "<refused>");
  EXPECT_FALSE(intact());
}

TEST_F(ForkedExecutionTest, AMoveThatSomebodyAskedForRefusesNobody) {
  on_stale_ = "error";
  begin_with_x();
  publish("y.py", version_of_y(2));
  EXPECT_EQ(child_that_takes_the_newest("y", version_of_y(2)), 0);
  EXPECT_EQ(import("y"), version_of_y(1));
  EXPECT_FALSE(intact());
}

TEST_F(ForkedExecutionTest, NorDoesOneAfterALossThatEverybodyKnows) {
  on_stale_ = "error";
  begin_with_x();
  publish_y_and_lose_the_snapshot(2);
  EXPECT_EQ(import("y"), version_of_y(2));
  EXPECT_EQ(count(ShimCounter::kSnapshotMoved), 1u);
  publish("other.py", "");
  EXPECT_EQ(child_that_takes_the_newest("other", ""), 0);
  EXPECT_EQ(import("x"), "x = 1");
  EXPECT_FALSE(intact());
}

TEST_F(ForkedExecutionTest, NorOneAfterARefusalThatWasMended) {
  on_stale_ = "error";
  begin_with_x();
  publish_y_and_lose_the_snapshot(2);
  EXPECT_EQ(child_that_imports_y(2), 0);
  EXPECT_EQ(import("x"), "<refused>");
  worker().move_to_newest();
  EXPECT_EQ(import("x"), "x = 1");
  publish("other.py", "");
  EXPECT_EQ(child_that_takes_the_newest("other", ""), 0);
  EXPECT_EQ(import("x"), "x = 1");
}

}  // namespace
}  // namespace bifrost
