#include "shim/core/asked_ahead.hpp"

#include "tests/shim/shim_fixture.hpp"

namespace bifrost {
namespace {

class AskedAheadTest : public ShimFixture {
 protected:
  RedisFallback& fallback() {
    if (!fallback_) fallback_ = std::make_unique<RedisFallback>(redis().url(), wait_plainly, counters_);
    return *fallback_;
  }
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
  int round_trips() { return redis().commands("EXISTS"); }

  ShimCounters counters_;
  std::unique_ptr<RedisFallback> fallback_;
  std::unique_ptr<AskedAhead> ahead_;
};

TEST_F(AskedAheadTest, AsManyAsARoundTripMayAskFor) {
  constexpr int kMost = AskedAhead::kMostQuestions;
  expect(kMost + 1, 1);
  for (int i = 0; i < kMost; ++i) ASSERT_EQ(ask(i), std::to_string(i));
  EXPECT_EQ(round_trips(), 1);
  EXPECT_EQ(ask(kMost), std::to_string(kMost));
  EXPECT_EQ(round_trips(), 2);
}

TEST_F(AskedAheadTest, NoMoreContentThanMayComeWithOne) {
  expect(4, AskedAhead::kMostBytes / 2);
  EXPECT_EQ(ask(0), "0");
  EXPECT_EQ(ask(1), "1");
  EXPECT_EQ(round_trips(), 1);
  EXPECT_EQ(ask(2), "2");
  EXPECT_EQ(round_trips(), 2);
}

TEST_F(AskedAheadTest, AModuleThatIsLargerThanThatIsAskedForAlone) {
  expect(2, 2 * AskedAhead::kMostBytes);
  EXPECT_EQ(ask(0), "0");
  EXPECT_EQ(ask(1), "1");
  EXPECT_EQ(round_trips(), 2);
}

TEST_F(AskedAheadTest, InAnyOrderAndEachAnswerOnce) {
  expect(3, 1);
  EXPECT_EQ(ask(1), "1");
  redis().put("m1.py", "anew");
  redis().put("m2.py", "too late");
  EXPECT_EQ(ask(1), "anew");
  EXPECT_EQ(ask(2), "2");
  EXPECT_EQ(ask(0), "0");
  EXPECT_EQ(ask(0), "0");
  EXPECT_EQ(ask(7), "");  // nobody expected that one
}

TEST_F(AskedAheadTest, OneBadValueIsThatOneQuestionsAnswer) {
  expect(3, 1);
  redis().put_raw("m1.py", "{");
  EXPECT_EQ(ahead().first_of({path(1)})->kind, FileInRedis::Kind::kBadValue);
  EXPECT_EQ(ask(2), "2");
  EXPECT_NE(fallback().last_read_of(path(2)).ns, 0);
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
