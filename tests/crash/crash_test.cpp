// The writer is killed after every one of its stores, and in the states between that the memory order allows.
// Every reader, whether it comes then or was pinned before, gets old, new or "ask Redis".
//
// Long form: BIFROST_CRASH_SCRIPTS=200 build/release/bin/crash_test
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>

#include "crash_check.hpp"

namespace bifrost::crash {
namespace {

using store_log::RecordedWriter;
using store_log::Store;

const Questions kQuestions = {{"a.py", "b.py", "pkg/__init__.py", "pkg/c.py", "space/d.py", "never.py"},
                              {"a", "pkg", "pkg/c", "space", "space/d"}};

std::string value(const std::string& path, int version) {
  return path + " version " + std::to_string(version) + " " +
         std::string(static_cast<std::size_t>(version * 13 % 90), 'x');
}

void expect_held(const CrashReport& report) {
  for (const std::string& violation : report.violations) ADD_FAILURE() << violation;
  EXPECT_GT(report.answers, report.images / 2);
  std::cout << "  " << report.images << " images, " << report.answers << " answers, " << report.lost << " lost\n";
}

// Every kind of change, in three generations.
void write_all_kinds(RecordedWriter& w) {
  w.put("a.py", value("a.py", 1));
  w.put("pkg/__init__.py", "");
  w.put("pkg/c.py", value("pkg/c.py", 1));
  w.commit();
  w.attach_code("a.py");
  w.put("a.py", value("a.py", 2));
  w.remove("pkg/c.py");
  w.put("space/d.py", value("space/d.py", 2));
  w.commit();
  w.put("a.py", "staged and replaced before anybody could see it");
  w.put("a.py", value("a.py", 3));
  w.put("pkg/c.py", value("pkg/c.py", 3));
  w.put_not_mirrored("space/d.py");
  w.writer().mark("pkg/__init__.py", layout::Mark::kRetained, true);
  w.commit();
}

// Changes under memory pressure: each few of them give up old snapshots and reuse their memory.
void write_with_reuse(RecordedWriter& w, std::uint64_t seed, int changes) {
  std::mt19937_64 random(seed);
  for (int i = 1; i <= changes; ++i) {
    const std::string& path = kQuestions.paths[random() % (kQuestions.paths.size() - 1)];
    switch (random() % 8) {
      case 0: w.remove(path); break;
      case 1: w.put_not_mirrored(path); break;
      default: w.put(path, value(path, i)); break;
    }
    if (random() % 3 != 0) w.commit();
    if (random() % 4 == 0 && w.writer().source_of(path)) w.attach_code(path);
  }
  w.commit();
}

TEST(CrashReplay, AfterEveryStoreOfEveryKindOfChange) {
  RecordedWriter w;
  write_all_kinds(w);
  expect_held(check_every_crash(w, w.log().stores(), 0, kQuestions, 24));
}

TEST(CrashReplay, AfterEveryStoreIntoReusedMemory) {
  RecordedWriter w;
  w.fill(2500);
  const std::size_t begin = w.log().size();
  write_with_reuse(w, 1, 60);
  const CrashReport report = check_every_crash(w, w.log().stores(), begin, kQuestions, 12);
  expect_held(report);
  EXPECT_GT(report.lost, 0u) << "nothing was reused";
}

TEST(CrashReplay, AfterEveryStoreOfAMoveToASuccessor) {
  RecordedWriter w(1 << 20, 2 << 20);
  w.fill(1500);
  write_all_kinds(w);
  const std::size_t begin = w.log().size();
  w.put("pkg/c.py", value("pkg/c.py", 4));
  w.put("big.py", std::string(20'000, 'g'));
  w.remove("a.py");
  w.commit();
  ASSERT_EQ(w.log().image_bytes().size(), 2u);
  // The ballast is some 100,000 stores of the same kind into a file without a name.
  expect_held(check_every_crash(w, w.log().stores(), std::max(begin, w.log().size() - 4000), kQuestions, 4));
}

TEST(CrashReplay, AfterEveryStoreOfATakeOverByANewAgent) {
  RecordedWriter w;
  write_all_kinds(w);
  const std::size_t begin = w.log().size();
  w.restart();
  w.put("a.py", value("a.py", 5));
  w.commit();
  expect_held(check_every_crash(w, w.log().stores(), begin, kQuestions, 12));
}

TEST(CrashReplay, RandomScripts) {
  const char* scripts = std::getenv("BIFROST_CRASH_SCRIPTS");
  const int count = scripts == nullptr ? 2 : std::atoi(scripts);
  for (int seed = 100; seed < 100 + count && !::testing::Test::HasFailure(); ++seed) {
    RecordedWriter w;
    w.fill(static_cast<std::uint64_t>(1500 + seed % 7 * 500));
    const std::size_t begin = w.log().size();
    write_with_reuse(w, static_cast<std::uint64_t>(seed), 40);
    expect_held(check_every_crash(w, w.log().stores(), begin, kQuestions, 6));
    expect_held(check_slow_readers(w, begin, kQuestions, 20'000));
  }
}

// The checks themselves: writers that do one thing wrong are caught, on their own stores otherwise unchanged.
class ForgedLog : public ::testing::Test {
 protected:
  ForgedLog() {
    writer_.fill(2500);
    begin_ = writer_.log().size();
    write_with_reuse(writer_, 7, 60);
    stores_ = writer_.log().stores();
  }
  bool is_slot(const Store& s) const {
    return s.order == StoreOrder::kRelease && s.offset >= layout::kHeaderBytes &&
           s.offset < layout::compute_regions(1 << 20).heap_offset;
  }
  void expect_caught() {
    const CrashReport report = check_every_crash(writer_, stores_, begin_, kQuestions, 12);
    EXPECT_FALSE(report.held());
  }

  RecordedWriter writer_;
  std::size_t begin_ = 0;
  std::vector<Store> stores_;
};

TEST_F(ForgedLog, HoldsUnchanged) {
  EXPECT_TRUE(check_every_crash(writer_, stores_, begin_, kQuestions, 12).held());
}

TEST_F(ForgedLog, ThatPublishesASlotBeforeTheRecordIsWrittenIsCaught) {
  for (std::size_t i = begin_; i < stores_.size(); ++i) {
    if (!is_slot(stores_[i])) continue;
    std::size_t first = i;
    while (stores_[first].offset != layout::slot_record(stores_[i].value).value) --first;
    std::rotate(stores_.begin() + static_cast<std::ptrdiff_t>(first), stores_.begin() + static_cast<std::ptrdiff_t>(i),
                stores_.begin() + static_cast<std::ptrdiff_t>(i + 1));
  }
  expect_caught();
}

TEST_F(ForgedLog, WhoseSlotStoreDoesNotReleaseIsCaught) {
  for (Store& s : stores_) {
    if (is_slot(s)) s.order = StoreOrder::kRelaxed;
  }
  expect_caught();
}

TEST_F(ForgedLog, WhoseGenerationComesBeforeTheSlotIsCaught) {
  for (std::size_t i = stores_.size() - 1; i > begin_; --i) {
    if (stores_[i].offset == layout::control::kGeneration) std::swap(stores_[i], stores_[i - 1]);
  }
  expect_caught();
}

TEST_F(ForgedLog, WhoseGenerationStoreDoesNotReleaseIsCaught) {
  for (Store& s : stores_) {
    if (s.offset == layout::control::kGeneration) s.order = StoreOrder::kRelaxed;
  }
  expect_caught();
}

TEST_F(ForgedLog, ThatNeverGivesUpSnapshotsIsCaught) {
  for (Store& s : stores_) {
    if (s.offset == layout::control::kOldestGeneration) s.value = 0;
  }
  expect_caught();
}

TEST_F(ForgedLog, WithoutTheFenceBeforeReuseIsCaught) {
  for (Store& s : stores_) {
    // A second store of nothing in its place: relaxed, to a word that nobody reads.
    if (s.order == StoreOrder::kReleaseFence) s = {s.image, s.named, layout::kHeaderBytes - 8, 0, StoreOrder::kRelaxed};
  }
  expect_caught();
}

}  // namespace
}  // namespace bifrost::crash
