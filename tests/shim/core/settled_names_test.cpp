#include "shim/core/settled_names.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <stdexcept>
#include <string>
#include <thread>

namespace bifrost {
namespace {

using std::chrono::milliseconds;
using Kind = StoreAnswer::Kind;

constexpr std::chrono::seconds kLong(20);

StoreAnswer of(Kind kind, std::string reason = {}) {
  StoreAnswer answer;
  answer.kind = kind;
  answer.reason = std::move(reason);
  return answer;
}

class SettledNamesTest : public ::testing::Test {
 protected:
  StoreAnswer settle(const std::string& root, const std::function<StoreAnswer()>& ask,
                     std::chrono::nanoseconds patience = kLong) {
    return names_.settle(
        root, node_, ask, [](const std::function<void()>& wait) { wait(); }, patience);
  }

  SettledNames names_;
  const ModuleNode node_ = *ModuleNode::parse("pkg/name");
};

TEST_F(SettledNamesTest, AsksOncePerRootAndName) {
  int asked = 0;
  const auto ask = [&] { return ++asked, of(Kind::kNamespace); };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(settle("", ask).kind, Kind::kNamespace);
    EXPECT_EQ(settle("_solutions/s", ask).kind, Kind::kNamespace);
  }
  EXPECT_EQ(asked, 2);
}

TEST_F(SettledNamesTest, KnowsWhatWasSaidAndNothingElse) {
  EXPECT_FALSE(names_.known("", node_));
  settle("", [&] {
    EXPECT_FALSE(names_.known("", node_)) << "it is only being asked";
    return of(Kind::kAbsent);
  });
  ASSERT_TRUE(names_.known("", node_));
  EXPECT_EQ(names_.known("", node_)->kind, Kind::kAbsent);
  EXPECT_FALSE(names_.known("_solutions/s", node_));
}

TEST_F(SettledNamesTest, AFailureIsNoAnswer) {
  EXPECT_EQ(settle("", [] { return of(Kind::kFailed, "down"); }).reason, "down");
  EXPECT_FALSE(names_.known("", node_));
  EXPECT_EQ(settle("", [] { return of(Kind::kAbsent); }).kind, Kind::kAbsent);
}

TEST_F(SettledNamesTest, AnotherThreadsQuestionIsWaitedFor) {
  std::promise<void> asking, answered;
  auto first = std::async(std::launch::async, [&] {
    return settle("", [&] {
      asking.set_value();
      answered.get_future().wait();
      return of(Kind::kNamespace);
    });
  });
  asking.get_future().wait();
  // Only once it waits is the answer given.
  const auto around = [&](const std::function<void()>& wait) {
    answered.set_value();
    wait();
  };
  const auto never = []() -> StoreAnswer { throw std::logic_error("the question is being put already"); };
  EXPECT_EQ(names_.settle("", node_, never, around, kLong).kind, Kind::kNamespace);
  EXPECT_EQ(first.get().kind, Kind::kNamespace);
}

TEST_F(SettledNamesTest, WhoeverWaitsForAnotherGivesUpInTime) {
  std::promise<void> asking, answered;
  auto first = std::async(std::launch::async, [&] {
    return settle("", [&] {
      asking.set_value();
      answered.get_future().wait();
      return of(Kind::kAbsent);
    });
  });
  asking.get_future().wait();
  const StoreAnswer said = settle(
      "", [] { return of(Kind::kAbsent); }, milliseconds(1));
  EXPECT_EQ(said.kind, Kind::kFailed);
  EXPECT_TRUE(said.timed_out);
  EXPECT_EQ(said.reason, "another thread asks for it, and had no answer within 1 ms");
  answered.set_value();
  first.get();
}

TEST_F(SettledNamesTest, AnInterruptEndsTheQuestionForAll) {
  EXPECT_THROW(settle("", []() -> StoreAnswer { throw std::runtime_error("Ctrl-C"); }), std::runtime_error);
  EXPECT_EQ(settle("", [] { return of(Kind::kAbsent); }).kind, Kind::kAbsent);
}

TEST_F(SettledNamesTest, AChildAsksAgainWhatAThreadOfItsParentWasAsking) {
  settle("answered", [] { return of(Kind::kNamespace); });
  std::promise<void> asking, answered;
  auto first = std::async(std::launch::async, [&] {
    return settle("", [&] {
      asking.set_value();
      answered.get_future().wait();
      return of(Kind::kAbsent);
    });
  });
  asking.get_future().wait();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const bool asks = settle("", [] { return of(Kind::kNamespace); }).kind == Kind::kNamespace;
    ::_exit(asks && names_.known("answered", node_) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  answered.set_value();
  first.get();
}

}  // namespace
}  // namespace bifrost
