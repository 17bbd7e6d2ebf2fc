#include "shim/core/store_fallback.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "shim/core/settled_names.hpp"

namespace bifrost {
namespace {

using Kind = StoreAnswer::Kind;

// Says what it was told to say next, and remembers what it was asked.
class ScriptedStore final : public WholeStore {
 public:
  StoreAnswer ask(const std::string& root, const ModuleNode& node) override {
    asked.push_back(root + ":" + node.text());
    return next;
  }
  std::chrono::nanoseconds longest_wait() const override { return std::chrono::seconds(1); }
  bool may_ask() const override { return true; }
  void around(const std::function<void()>& wait) const override { wait(); }

  StoreAnswer next;
  std::vector<std::string> asked;
};

class StoreFallbackTest : public ::testing::Test {
 protected:
  StoreFallbackTest() { fallback_.ask_of(store_); }

  StoreAnswer settle(const std::string& node) { return fallback_.settle(view_, *ModuleNode::parse(node)); }
  void fails(bool timed_out, bool misunderstood = false) {
    store_->next = StoreAnswer();
    store_->next.kind = Kind::kFailed;
    store_->next.reason = "down";
    store_->next.timed_out = timed_out;
    store_->next.misunderstood = misunderstood;
  }

  const std::shared_ptr<ScriptedStore> store_ = std::make_shared<ScriptedStore>();
  ShimCounters counters_;
  StoreFallback fallback_{false, counters_};
  View view_;
};

TEST_F(StoreFallbackTest, AsksBelowTheRootThatAdmitsTheName) {
  view_.scope = *Scope::of("s", true);
  EXPECT_EQ(settle("_solutions/s/pkg/mod").kind, Kind::kAbsent);
  EXPECT_EQ(settle("pkg/mod").kind, Kind::kAbsent);
  EXPECT_EQ(store_->asked, (std::vector<std::string>{"_solutions/s:_solutions/s/pkg/mod", ":pkg/mod"}));
}

TEST_F(StoreFallbackTest, AnotherScopesNameIsNeverAsked) {
  EXPECT_EQ(settle("_solutions/other/mod").kind, Kind::kFailed);
  EXPECT_TRUE(store_->asked.empty());
}

TEST_F(StoreFallbackTest, ANameThatNoImportCanHaveIsNotAsked) {
  const StoreAnswer said = settle("pkg/with.dot");
  EXPECT_EQ(said.kind, Kind::kFailed);
  EXPECT_NE(said.reason.find("has a dot"), std::string::npos);
  EXPECT_TRUE(store_->asked.empty());
}

TEST_F(StoreFallbackTest, OneExecutionAsksOnce) {
  view_.settled = std::make_shared<SettledNames>();
  for (int i = 0; i < 3; ++i) settle("mod");
  EXPECT_EQ(store_->asked.size(), 1u);
  view_.settled = std::make_shared<SettledNames>();
  settle("mod");
  EXPECT_EQ(store_->asked.size(), 2u);
}

TEST_F(StoreFallbackTest, ATimeOutStopsQuestionsAtOnce) {
  fails(true);
  settle("a");
  EXPECT_EQ(settle("b").reason, "down (not asked again yet)");
  EXPECT_EQ(store_->asked.size(), 1u);
}

TEST_F(StoreFallbackTest, OtherFailuresStopThemTheThirdTimeInARow) {
  fails(false);
  settle("a");
  settle("b");
  store_->next = StoreAnswer();
  settle("c");  // an answer: the row is broken
  fails(false);
  for (const char* name : {"d", "e", "f", "g", "h"}) settle(name);
  EXPECT_EQ(store_->asked.size(), 6u) << "d, e and f, and not g and h";
}

TEST_F(StoreFallbackTest, AnAnswerThatIsNoneIsTheHostsFaultAndNoOutage) {
  fails(false, true);
  for (const char* name : {"a", "b", "c", "d", "e"}) EXPECT_EQ(settle(name).reason, "down");
  EXPECT_EQ(store_->asked.size(), 5u);
}

TEST_F(StoreFallbackTest, WithoutAStoreNobodyIsAsked) {
  fallback_.ask_of(nullptr);
  EXPECT_FALSE(fallback_.may_ask());
  EXPECT_EQ(settle("mod").kind, Kind::kFailed);
}

}  // namespace
}  // namespace bifrost
