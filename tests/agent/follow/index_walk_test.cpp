#include "agent/follow/index_walk.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/redis/contract.hpp"
#include "tests/agent/follow/mirror_fixture.hpp"
#include "tests/agent/follow/wire.hpp"

namespace bifrost::agent {
namespace {

using Doubt = RefreshQueue::Doubt;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A mirror, and a Redis of two sets: the index, and the paths whose keys are there.
class IndexWalkTest : public MirrorFixture {
 protected:
  IndexWalkTest() {
    walk_ = std::make_unique<IndexWalk>(
        *mirror_, [this](ModulePathView path, Doubt doubt) { mark(path, doubt); }, [this] { return emptied_; });
  }
  void mirror_retains(const std::string& path) {
    mirror_holds(path);
    expired(path);
  }
  // In order in all places.
  void everywhere(const std::string& path) {
    mirror_holds(path);
    index_.insert(path);
    keys_.insert(path);
  }

  // The number of commands that the whole walk took.
  int walk() {
    walk_->begin({1});
    return go_on();
  }
  int go_on() {
    int commands = 0;
    while (walk_->running()) {
      std::string answer;
      walk_->ask_next([&](const Command& command) { answer = answered(command); });
      EXPECT_TRUE(walk_->on_answer(*parsed(answer)));
      if (++commands > 1000) ADD_FAILURE() << "it never ends";
      if (commands > 1000) break;
    }
    return commands;
  }

  std::string answered(const Command& command) {
    if (command[0] == "EXISTS") {
      std::size_t there = 0;
      for (std::size_t i = 1; i < command.size(); ++i) {
        const std::string path(command[i].substr(contract::kPrefix.size()));
        asked_.insert(path);
        there += keys_.count(path);
      }
      return ":" + std::to_string(there) + "\r\n";
    }
    if (!index_is_set_) return "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    // Two pages.
    const bool first = command[2] == "0";
    std::vector<std::string> members;
    std::size_t n = 0;
    for (const std::string& path : index_) {
      if ((n++ % 2 == 0) == first) members.push_back(path);
    }
    std::string wire = "*2\r\n" + bulk(first ? "7" : "0") + "*" + std::to_string(members.size()) + "\r\n";
    for (const std::string& member : members) wire += bulk(member);
    return wire;
  }

  std::unique_ptr<IndexWalk> walk_;
  std::set<std::string> index_;
  std::set<std::string> keys_;
  std::set<std::string> asked_;  // with EXISTS
  bool index_is_set_ = true;
  bool emptied_ = false;
};

TEST_F(IndexWalkTest, WhereNothingDiffersNothingIsMarkedAndFewCommandsAreSent) {
  for (int i = 0; i < 500; ++i) everywhere("m" + std::to_string(i) + ".py");
  index_.insert("not a path");
  EXPECT_EQ(walk(), 4) << "two pages, and how many of each are there";
  EXPECT_THAT(marked_, IsEmpty());
}

TEST_F(IndexWalkTest, FindsTheOneThatIsMissingAmongManyWhenItHasItsTurn) {
  for (int i = 0; i < 500; ++i) everywhere("m" + std::to_string(i) + ".py");
  keys_.erase("m123.py");
  std::size_t walks = 0;
  for (; marked_.empty() && walks < IndexWalk::kTurns; ++walks) EXPECT_LT(walk(), 50);
  EXPECT_THAT(marked_, UnorderedElementsAre(Pair("m123.py", Doubt::kGone)));
}

TEST_F(IndexWalkTest, EachWalkAsksForAnEighthOfWhatIsKnownAndListed) {
  for (int i = 0; i < 4000; ++i) everywhere("m" + std::to_string(i) + ".py");
  std::set<std::string> asked;
  std::size_t most = 0;
  for (std::size_t turn = 0; turn < IndexWalk::kTurns; ++turn) {
    asked_.clear();
    walk();
    most = std::max(most, asked_.size());
    asked.insert(asked_.begin(), asked_.end());
  }
  EXPECT_EQ(asked.size(), 4000u);
  EXPECT_LT(most, 700u);
}

TEST_F(IndexWalkTest, WhereOneIsMissingAllAreAskedFor) {
  for (int i = 0; i < 500; ++i) everywhere("m" + std::to_string(i) + ".py");
  for (int i = 0; i < 500; i += 2) keys_.erase("m" + std::to_string(i) + ".py");
  walk();
  EXPECT_THAT(marked_, SizeIs(250));
}

TEST_F(IndexWalkTest, FindsWhatIsThereAndNotKnownAmongWhatIsOnlyListed) {
  for (const char* path : {"a.py", "b.py", "c.py", "d.py", "e.py"}) index_.insert(path);
  keys_ = {"d.py"};
  walk();
  EXPECT_THAT(marked_, UnorderedElementsAre(Pair("d.py", Doubt::kUnspecific)));
}

TEST_F(IndexWalkTest, FindsRetainedModulesWhoseKeyIsBackOrWhichTheIndexHasCeasedToList) {
  for (const char* path : {"back.py", "delisted.py", "kept.py"}) mirror_retains(path);
  index_ = {"back.py", "kept.py"};
  keys_ = {"back.py"};
  walk();
  EXPECT_THAT(marked_, UnorderedElementsAre(Pair("back.py", Doubt::kUnspecific), Pair("delisted.py", Doubt::kGone)));
}

TEST_F(IndexWalkTest, GoesThroughWhatIsKnownBeyondTheIndexAsWell) {
  everywhere("listed.py");
  mirror_holds("there.py");
  mirror_holds("gone.py");
  keys_.insert("there.py");
  walk();
  EXPECT_THAT(marked_, UnorderedElementsAre(Pair("gone.py", Doubt::kGone)));
}

TEST_F(IndexWalkTest, AnIndexThatListsNothingIsLost) {
  mirror_holds("a.py");
  keys_ = {"a.py"};
  walk();
  vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_TRUE(mirror_->has_retained());
}

TEST_F(IndexWalkTest, AnIndexThatWasEmptiedIsNotLost) {
  mirror_holds("a.py");
  keys_ = {"a.py"};
  emptied_ = true;
  walk();
  vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_FALSE(mirror_->has_retained());
}

TEST_F(IndexWalkTest, AnIndexOfAnotherTypeIsLost) {
  mirror_holds("a.py");
  keys_ = {"a.py"};
  index_is_set_ = false;
  walk();
  EXPECT_THAT(marked_, IsEmpty());
}

TEST_F(IndexWalkTest, WhatIsListedIsNotProtectedByAnEarlierLoss) {
  everywhere("a.py");
  mirror_->lose_index();
  walk();
  vanished("a.py", IndexEntry::kUnlisted);
  EXPECT_FALSE(mirror_->has_retained());
}

TEST_F(IndexWalkTest, WhenItIsOverALossIsOver) {
  everywhere("a.py");
  mirror_->lose_index();
  walk();
  mirror_holds("b.py", Observation::Listed::kSomewhere);
  vanished("b.py", IndexEntry::kUnlisted);
  EXPECT_FALSE(mirror_->has_retained());
}

TEST_F(IndexWalkTest, ALossMeanwhileIsNotOverWhenItIs) {
  everywhere("a.py");
  walk_->begin({1});
  std::string page;
  walk_->ask_next([&](const Command& command) { page = answered(command); });
  mirror_->lose_index();
  EXPECT_TRUE(walk_->on_answer(*parsed(page)));
  go_on();
  mirror_holds("b.py", Observation::Listed::kSomewhere);
  vanished("b.py", IndexEntry::kUnlisted);
  EXPECT_TRUE(mirror_->has_retained());
}

TEST_F(IndexWalkTest, BegunAgainItIgnoresTheAnswerThatWasUnderWay) {
  everywhere("a.py");
  walk_->begin({1});
  std::string late;
  walk_->ask_next([&](const Command& command) { late = answered(command); });
  walk_->begin({1});
  walk_->ask_next([](const Command&) { FAIL() << "one question at a time"; });
  EXPECT_TRUE(walk_->on_answer(*parsed(late)));
  bool asked = false;
  walk_->ask_next([&](const Command& command) { asked = command[2] == "0"; });
  EXPECT_TRUE(asked) << "from the start";
}

TEST_F(IndexWalkTest, StoppedTwiceItIgnoresTheAnswerThatWasUnderWay) {
  index_.insert("a.py");
  walk_->begin({1});
  std::string late;
  walk_->ask_next([&](const Command& command) { late = answered(command); });
  EXPECT_TRUE(walk_->on_answer(*parsed(late)));
  walk_->ask_next([&](const Command& command) { late = answered(command); });
  EXPECT_EQ(late.front(), ':') << "the keys of a block";
  walk_->stop();
  walk_->stop();
  EXPECT_TRUE(walk_->on_answer(*parsed(late)));
  EXPECT_FALSE(walk_->running());
  EXPECT_TRUE(marked_.empty());
  EXPECT_EQ(walk(), 3) << "two pages and a block";
}

TEST_F(IndexWalkTest, ARefusalIsAnError) {
  walk_->begin({1});
  walk_->ask_next([](const Command&) {});
  EXPECT_FALSE(walk_->on_answer(*parsed("-NOPERM this user has no permissions\r\n")));
}

}  // namespace
}  // namespace bifrost::agent
