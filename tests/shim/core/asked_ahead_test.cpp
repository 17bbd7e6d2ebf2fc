#include "shim/core/asked_ahead.hpp"

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class AskedAheadTest : public ShimFixture {
 protected:
  AskedAhead& ahead() {
    if (!ahead_) ahead_ = std::make_unique<AskedAhead>(fallback());
    return *ahead_;
  }
  static ModulePath path(int i) { return ModulePath::parse("m" + std::to_string(i) + ".py").value(); }
  void expect(int modules, std::uint64_t bytes) {
    for (int i = 0; i < modules; ++i) {
      redis().put(path(i).text(), std::to_string(i));
      ahead().expect({path(i)}, bytes);
    }
  }
  std::string ask(int i) { return ahead().first_of({path(i)})->content; }
  // What is asked after this gets other answers.
  void change(int modules, const std::string& content = "later") {
    for (int i = 0; i < modules; ++i) redis().put(path(i).text(), content);
  }
  // After this a round trip asks for as much as it may.
  void ask_for_more_each_time(int modules) {
    for (int i = 0; i < modules; ++i) ASSERT_EQ(ask(i), std::to_string(i));
  }

  static constexpr int kMost = AskedAhead::kMostQuestions;
  std::unique_ptr<AskedAhead> ahead_;
};

TEST_F(AskedAheadTest, TwiceAsManyEachTime) {
  expect(4, 1);
  EXPECT_EQ(ask(0), "0");
  change(4, "second");
  EXPECT_EQ(ask(1), "second");
  change(4, "third");
  EXPECT_EQ(ask(2), "second");
  EXPECT_EQ(ask(3), "third");
}

TEST_F(AskedAheadTest, AsManyAsARoundTripMayAskFor) {
  constexpr int kBefore = 2 * kMost - 1;
  expect(kBefore + kMost + 1, 1);
  ask_for_more_each_time(kBefore);
  EXPECT_EQ(ask(kBefore), std::to_string(kBefore));
  change(kBefore + kMost + 1);
  EXPECT_EQ(ask(kBefore + kMost - 1), std::to_string(kBefore + kMost - 1));
  EXPECT_EQ(ask(kBefore + kMost), "later");
}

TEST_F(AskedAheadTest, NoMoreContentThanMayComeWithOne) {
  expect(4, AskedAhead::kMostBytes / 2);
  ask_for_more_each_time(3);
  change(4);
  EXPECT_EQ(ask(3), "later");
}

TEST_F(AskedAheadTest, AModuleThatIsLargerThanThatIsAskedForAlone) {
  expect(3, 2 * AskedAhead::kMostBytes);
  EXPECT_EQ(ask(0), "0");
  EXPECT_EQ(ask(1), "1");
  change(3);
  EXPECT_EQ(ask(2), "later");
}

TEST_F(AskedAheadTest, InAnyOrderAndEachAnswerOnce) {
  expect(4, 1);
  EXPECT_EQ(ask(0), "0");
  EXPECT_EQ(ask(2), "2");
  change(4);
  EXPECT_EQ(ask(2), "later");
  EXPECT_EQ(ask(3), "3");
  EXPECT_EQ(ask(1), "later");
  EXPECT_EQ(ask(0), "later");
  EXPECT_EQ(ask(7), "");  // nobody expected that one
}

TEST_F(AskedAheadTest, OneBadValueIsThatOneQuestionsAnswer) {
  expect(3, 1);
  redis().put_raw("m1.py", "{");
  EXPECT_EQ(ahead().first_of({path(1)})->kind, FileInRedis::Kind::kBadValue);
  EXPECT_EQ(ask(2), "2");
  EXPECT_NE(last_reads_->last_value_of(path(2)).ns, 0);
}

TEST_F(AskedAheadTest, AnAnswerThatDoesNotComeConcernsNobodyBeforeItsTurn) {
  expect(7, 1);
  ask_for_more_each_time(3);
  redis().after("SISMEMBER", 4, [this] { redis().hang(true); });  // two questions
  EXPECT_EQ(ask(3), "3");
  EXPECT_EQ(ask(4), "4");
  const auto late = ahead().first_of({path(5)});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
  const auto next = ahead().first_of({path(6)});
  ASSERT_FALSE(next);
  EXPECT_NE(next.error().message.find("not tried again yet"), std::string::npos);
}

TEST_F(AskedAheadTest, NoAnswerIsAnErrorAndTheNextQuestionGetsOne) {
  expect(2, 1);
  stop_redis();
  EXPECT_FALSE(ahead().first_of({path(0)}));
  EXPECT_FALSE(ahead().first_of({path(0)}));
  EXPECT_FALSE(ahead().first_of({path(1)}));
}

}  // namespace
}  // namespace bifrost
