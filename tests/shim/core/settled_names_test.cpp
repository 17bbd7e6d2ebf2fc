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
constexpr std::chrono::seconds kLong(20);

StoreAnswer of(StoreAnswer::Kind kind, std::string reason = {}) {
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

  // Another thread's question, which is being put from here on and gets its answer by let().
  class Question {
   public:
    Question(SettledNamesTest& test, StoreAnswer::Kind kind) {
      answer_ = std::async(std::launch::async, [this, &test, kind] {
        return test.settle("", [this, kind] {
          asking_.set_value();
          let_.get_future().wait();
          return of(kind);
        });
      });
      asking_.get_future().wait();
    }
    void let() { let_.set_value(); }
    StoreAnswer answer() { return answer_.get(); }

   private:
    std::promise<void> asking_, let_;
    std::future<StoreAnswer> answer_;  // the last: it must not outlive them
  };

  SettledNames names_;
  const ModuleNode node_ = *ModuleNode::parse("pkg/name");
};

TEST_F(SettledNamesTest, AsksOncePerRootAndName) {
  int asked = 0;
  const auto ask = [&] { return ++asked, of(StoreAnswer::Kind::kNamespace); };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(settle("", ask).kind, StoreAnswer::Kind::kNamespace);
    EXPECT_EQ(settle("_solutions/s", ask).kind, StoreAnswer::Kind::kNamespace);
  }
  EXPECT_EQ(asked, 2);
}

TEST_F(SettledNamesTest, KnowsWhatWasSaidAndNothingElse) {
  EXPECT_FALSE(names_.known("", node_));
  settle("", [&] {
    EXPECT_FALSE(names_.known("", node_)) << "it is only being asked";
    return of(StoreAnswer::Kind::kAbsent);
  });
  ASSERT_TRUE(names_.known("", node_));
  EXPECT_EQ(names_.known("", node_)->kind, StoreAnswer::Kind::kAbsent);
  EXPECT_FALSE(names_.known("_solutions/s", node_));
}

TEST_F(SettledNamesTest, AFailureIsNoAnswer) {
  EXPECT_EQ(settle("", [] { return of(StoreAnswer::Kind::kFailed, "down"); }).reason, "down");
  EXPECT_FALSE(names_.known("", node_));
  EXPECT_EQ(settle("", [] { return of(StoreAnswer::Kind::kAbsent); }).kind, StoreAnswer::Kind::kAbsent);
}

TEST_F(SettledNamesTest, AnotherThreadsQuestionIsWaitedFor) {
  Question first(*this, StoreAnswer::Kind::kNamespace);
  // Only once it waits is the answer given.
  const auto around = [&](const std::function<void()>& wait) {
    first.let();
    wait();
  };
  const auto never = []() -> StoreAnswer { throw std::logic_error("the question is being put already"); };
  EXPECT_EQ(names_.settle("", node_, never, around, kLong).kind, StoreAnswer::Kind::kNamespace);
  EXPECT_EQ(first.answer().kind, StoreAnswer::Kind::kNamespace);
}

TEST_F(SettledNamesTest, AThreadDoesNotWaitForItself) {
  const auto within = [this] { return settle("", [] { return of(StoreAnswer::Kind::kModule); }); };
  const StoreAnswer answer = settle("", [&] {
    EXPECT_EQ(within().kind, StoreAnswer::Kind::kModule);
    return of(StoreAnswer::Kind::kPackage);
  });
  EXPECT_EQ(answer.kind, StoreAnswer::Kind::kPackage);
  EXPECT_EQ(within().kind, StoreAnswer::Kind::kPackage) << "the first question was to be kept";
}

TEST_F(SettledNamesTest, WhoeverWaitsForAnotherGivesUpInTime) {
  Question first(*this, StoreAnswer::Kind::kAbsent);
  const StoreAnswer said = settle(
      "", [] { return of(StoreAnswer::Kind::kAbsent); }, milliseconds(1));
  EXPECT_EQ(said.kind, StoreAnswer::Kind::kFailed);
  EXPECT_TRUE(said.timed_out);
  EXPECT_EQ(said.reason, "another thread asks for it, and had no answer within 1 ms");
  first.let();
  first.answer();
}

TEST_F(SettledNamesTest, AnInterruptEndsNobodyElsesQuestion) {
  std::promise<void> asking, waiting;
  auto interrupted = std::async(std::launch::async, [&] {
    return settle("", [&]() -> StoreAnswer {
      asking.set_value();
      waiting.get_future().wait();
      throw std::runtime_error("Ctrl-C");
    });
  });
  asking.get_future().wait();
  const auto around = [&](const std::function<void()>& wait) {
    waiting.set_value();
    wait();
  };
  const auto ask = [] { return of(StoreAnswer::Kind::kAbsent); };
  EXPECT_EQ(names_.settle("", node_, ask, around, kLong).kind, StoreAnswer::Kind::kAbsent);
  EXPECT_THROW(interrupted.get(), std::runtime_error);
  EXPECT_TRUE(names_.known("", node_));
}

TEST_F(SettledNamesTest, AChildAsksAgainWhatAThreadOfItsParentWasAsking) {
  settle("answered", [] { return of(StoreAnswer::Kind::kNamespace); });
  Question first(*this, StoreAnswer::Kind::kAbsent);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const bool asks =
        settle("", [] { return of(StoreAnswer::Kind::kNamespace); }).kind == StoreAnswer::Kind::kNamespace;
    ::_exit(asks && names_.known("answered", node_) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  first.let();
  first.answer();
}

}  // namespace
}  // namespace bifrost
