#include "agent/follow/key_scan.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <optional>

#include "agent/mirror/mirror.hpp"
#include "tests/agent/follow/mirror_fixture.hpp"
#include "tests/agent/follow/wire.hpp"

namespace bifrost::agent {
namespace {

using Doubt = RefreshQueue::Doubt;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class KeyScanTest : public MirrorFixture {
 protected:
  KeyScanTest() {
    scan_ = std::make_unique<KeyScan>(*mirror_, [this](ModulePathView path, Doubt doubt) { mark(path, doubt); });
  }

  // The cursor that is asked for while so many paths wait.
  std::optional<std::string> asked_after_rest(std::size_t waiting = 0) {
    scan_->rested();
    return asked(waiting);
  }
  std::optional<std::string> asked(std::size_t waiting = 0) {
    std::optional<std::string> cursor;
    scan_->ask_for_page(waiting, [&](const Command& command) {
      cursor = command.at(1);
      names_ = command.at(5);
    });
    return cursor;
  }
  Status answer(const std::string& next_cursor, const std::vector<std::string>& keys,
                std::chrono::nanoseconds took = {}) {
    std::string wire = "*2\r\n" + bulk(next_cursor) + "*" + std::to_string(keys.size()) + "\r\n";
    for (const std::string& key : keys) wire += bulk(key);
    return answer_with(wire, took);
  }
  Status answer_with(const std::string& wire, std::chrono::nanoseconds took = {}) {
    return scan_->on_page(*parsed(wire), took);
  }
  static std::string key(const std::string& path) { return "bifrost:module:" + path; }

  std::unique_ptr<KeyScan> scan_;
  std::string names_;  // COUNT of the newest question
};

TEST_F(KeyScanTest, GoesFromPageToPageUntilTheCursorIsZeroAgain) {
  EXPECT_EQ(asked(), std::nullopt) << "not begun";
  scan_->begin(BootTime{7});
  EXPECT_EQ(scan_->begun(), BootTime{7});
  EXPECT_EQ(asked(), "0");
  EXPECT_EQ(asked(), std::nullopt) << "one page at a time";
  ASSERT_TRUE(answer("42", {key("a.py")}));
  EXPECT_EQ(asked_after_rest(), "42");
  ASSERT_TRUE(answer("0", {key("b.py")}));
  EXPECT_FALSE(scan_->running());
  EXPECT_EQ(asked(), std::nullopt);
  EXPECT_THAT(marked_, UnorderedElementsAre(Pair("a.py", Doubt::kUnspecific), Pair("b.py", Doubt::kUnspecific)));
}

TEST_F(KeyScanTest, MarksNothingButModules) {
  scan_->begin({});
  asked();
  ASSERT_TRUE(answer("0", {key("index"), "bifrost:other:a.py"}));
  EXPECT_THAT(marked_, IsEmpty());
}

TEST_F(KeyScanTest, AsksForNoPageWhileManyPathsWait) {
  scan_->begin({});
  EXPECT_EQ(asked(KeyScan::kBacklog), std::nullopt);
  EXPECT_EQ(asked(KeyScan::kBacklog - 1), "0");
  ASSERT_TRUE(answer("42", {}));
  EXPECT_EQ(asked(KeyScan::kBacklog), std::nullopt);
  EXPECT_EQ(asked_after_rest(), "42") << "it goes on where it was held up";
}

TEST_F(KeyScanTest, DoubtsWhatIsUnseenAndTheIndexEntryOfWhatIsRetained) {
  for (const char* path : {"kept.py", "gone.py", "expired.py"}) mirror_holds(path);
  expired("expired.py");
  scan_->begin({});
  asked();
  ASSERT_TRUE(answer("0", {key("kept.py"), key("new.py")}));
  EXPECT_THAT(marked_, UnorderedElementsAre(Pair("kept.py", Doubt::kUnspecific), Pair("new.py", Doubt::kUnspecific),
                                            Pair("gone.py", Doubt::kGone), Pair("expired.py", Doubt::kDelisted)));
}

TEST_F(KeyScanTest, AsksTheNewIndexAboutWhatTheLostOneMayHaveListed) {
  mirror_holds("lost.py");
  mirror_->lose_index();
  const auto marked_by_a_scan = [&] {
    marked_.clear();
    scan_->begin({});
    asked();
    EXPECT_TRUE(answer("0", {key("lost.py"), key("new.py")}));
    return marked_;
  };
  EXPECT_THAT(marked_by_a_scan(), UnorderedElementsAre(Pair("lost.py", Doubt::kGone), Pair("new.py", Doubt::kGone)));
  mirror_->note_index_walked();
  EXPECT_THAT(marked_by_a_scan(),
              UnorderedElementsAre(Pair("lost.py", Doubt::kGone), Pair("new.py", Doubt::kUnspecific)));
}

TEST_F(KeyScanTest, WhereHardlyAnyKeyIsAModulesPagesAreSmallAndARestFollowsEveryThousandNames) {
  scan_->begin({});
  EXPECT_EQ(asked(), "0");
  EXPECT_EQ(names_, "1000");
  ASSERT_TRUE(answer("1", {key("a.py")}));
  EXPECT_TRUE(scan_->resting());
  EXPECT_EQ(asked(), std::nullopt);
  scan_->rested();
  for (int page = 1; page <= 10; ++page) {
    EXPECT_FALSE(scan_->resting());
    EXPECT_EQ(asked(), std::to_string(page));
    EXPECT_EQ(names_, "100");
    ASSERT_TRUE(answer(std::to_string(page + 1), {key("b.py")}));
  }
  EXPECT_TRUE(scan_->resting());
  scan_->rested();
  EXPECT_EQ(asked(), "11");
  std::vector<std::string> modules;
  for (int i = 0; i < 100; ++i) modules.push_back(key("m" + std::to_string(i) + ".py"));
  ASSERT_TRUE(answer("12", modules));
  EXPECT_FALSE(scan_->resting());
  EXPECT_EQ(asked(), "12");
  EXPECT_EQ(names_, "1000");
}

TEST_F(KeyScanTest, WhereEachPageTakesLongPagesAreLargeUntilTheNextScan) {
  constexpr std::chrono::milliseconds kPatience{2};
  for (int scan = 0; scan < 2; ++scan) {
    scan_->begin({});
    asked();
    std::string names;
    for (int page = 0; page < 20; ++page) {
      ASSERT_TRUE(answer("1", {}, page == 5 ? std::chrono::milliseconds(0) : kPatience));
      asked_after_rest();
      names += names_ == "100" ? 's' : 'L';
    }
    EXPECT_EQ(names, "sssssssssssssLLLLLLL") << "seven late ones, one in time, and eight late ones";
    ASSERT_TRUE(answer("0", {}));
  }
}

TEST_F(KeyScanTest, StartedOverGoesThroughAllNamesOnceMore) {
  mirror_holds("gone.py");
  scan_->begin(BootTime{1});
  asked();
  ASSERT_TRUE(answer("42", {key("gone.py")}));
  EXPECT_EQ(asked_after_rest(), "42");
  scan_->begin(BootTime{2});
  EXPECT_EQ(asked(), std::nullopt) << "a page of the scan before is under way";
  ASSERT_TRUE(answer("0", {key("last.py")}));
  EXPECT_TRUE(scan_->running()) << "the end of the scan before is not the end of this one";
  EXPECT_EQ(asked_after_rest(), "0");
  ASSERT_TRUE(answer("0", {key("first.py")}));
  EXPECT_FALSE(scan_->running());
  EXPECT_EQ(scan_->begun(), BootTime{2});
  EXPECT_EQ(marked_.at("gone.py"), Doubt::kUnspecific) << "by the first scan";
  EXPECT_TRUE(marked_.contains("last.py"));
  EXPECT_TRUE(marked_.contains("first.py"));
}

TEST_F(KeyScanTest, StartedOverWhileItIsHeldUpBeginsAtTheStart) {
  scan_->begin({});
  asked();
  ASSERT_TRUE(answer("42", {}));
  EXPECT_EQ(asked(KeyScan::kBacklog), std::nullopt);
  scan_->begin({});
  EXPECT_EQ(asked(), "0");
}

TEST_F(KeyScanTest, ARefusalIsAnError) {
  scan_->begin({});
  asked();
  EXPECT_FALSE(answer_with("-NOPERM this user has no permissions\r\n"));
}

}  // namespace
}  // namespace bifrost::agent
