// The writer is killed after every one of its stores, and in the states between that the memory order allows.
// Every reader, whether it comes then or was pinned before, gets the truth of its generation, or looks again and gets
// it, as long as that generation is kept. And another agent takes over.
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

using store_log::Order;
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
  std::cout << "  " << report.images << " images, " << report.answers << " answers, " << report.looked_again
            << " looked again, " << report.lost << " lost, " << report.successions << " successions, " << report.starved
            << " of them starved\n";
}

void expect_held(const RecordedWriter& w, std::size_t begin, const Effort& effort) {
  expect_held(check_every_crash(w, w.log().stores(), begin, kQuestions, effort));
  expect_held(check_slow_readers(w, begin, kQuestions, 20'000));
}

// Every kind of change, in three generations.
void write_all_kinds(RecordedWriter& w, int version = 1) {
  w.put("a.py", value("a.py", version));
  w.put("pkg/__init__.py", "");
  w.put("pkg/c.py", value("pkg/c.py", version));
  w.commit();
  w.attach_code("a.py");
  w.put("a.py", value("a.py", version + 1));
  w.remove("pkg/c.py");
  w.put("space/d.py", value("space/d.py", version + 1));
  w.commit();
  w.put("a.py", "staged and replaced before anybody could see it");
  w.put("a.py", value("a.py", version + 2));
  w.attach_code("a.py");
  w.put("pkg/c.py", value("pkg/c.py", version + 2));
  w.put_not_mirrored("space/d.py");
  w.writer().mark("pkg/__init__.py", layout::Mark::kRetained, true);
  w.commit();
}

// Takes all the room but that of a few chunks.
void leave_little_room(RecordedWriter& w) {
  w.put("ballast.py", std::string(180'000, 'b'));
  w.commit();
}

// What a long life consists of, in an order of its own.
void live(RecordedWriter& w, std::uint64_t seed, bool roomy, int changes) {
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
    if (random() % 6 == 0) w.turn_over();
    if (random() % 5 == 0) w.tend();
    const bool has_name = w.writer().generation().value != 0;
    switch (random() % 24) {
      case 0: w.let_history_expire(); break;
      case 1:
        if (roomy && has_name) w.lose_the_name();
        break;
      case 2:
        // In a full store there would be no room for what comes then; of one without a name nothing is left.
        if (roomy && has_name) w.succeed();
        break;
      default: break;
    }
  }
  w.commit();
  w.tend();
}

TEST(CrashReplay, AfterEveryStoreOfEveryKindOfChange) {
  RecordedWriter w;
  write_all_kinds(w);
  expect_held(w, 0, {24, 16});
}

TEST(CrashReplay, AfterEveryStoreWhileChunksAreEmptiedAndGivenBack) {
  RecordedWriter w(store_log::kSmallStore, 12);
  write_all_kinds(w);
  w.turn_over();
  const std::size_t begin = w.log().size();
  w.remove("a.py");
  w.turn_over();
  w.let_history_expire();
  w.tend();  // what is live moves, and the slot of a.py is dropped
  EXPECT_GT(w.chunks_given_back(), 0u);
  w.put("a.py", value("a.py", 9));
  w.commit();
  expect_held(w, begin, {6, 64});
}

// The end of its history expires while somebody is pinned between a deletion and what came after it.
TEST(CrashReplay, AfterEveryStoreWhileADeletionExpires) {
  RecordedWriter w(store_log::kSmallStore, 14);
  write_all_kinds(w);
  const std::size_t begin = w.log().size();
  w.remove("a.py");
  w.turn_over();
  for (int i = 0; i < 20; ++i) {
    if (i == 8) w.put("a.py", value("a.py", 10));
    w.put("b.py", value("b.py", i));
    w.commit();
    w.tend();
  }
  EXPECT_GT(w.chunks_given_back(), 0u);
  expect_held(w, begin, {6, 64});
}

// Slice by slice: the slot of a deletion that is passed too early must be dropped all the same.
TEST(CrashReplay, WhenADeletionExpiresWhileItsChunkIsEmptied) {
  RecordedWriter w(64 << 20, 12);
  w.put("a.py", value("a.py", 1));
  w.put("pkg/c.py", value("pkg/c.py", 1));
  w.commit();
  w.remove("a.py");
  for (int i = 0; w.chunks_begun() < 2; ++i) {
    w.put("b.py", std::string(500'000, static_cast<char>('a' + i)));  // never visible, but for the last
  }
  w.commit();
  w.writer().tend();
  w.let_history_expire();
  w.tend();
  ASSERT_EQ(w.chunks_given_back(), 1u);
  expect_held(check_every_crash(w, w.log().stores(), w.log().size() - 1, kQuestions, {}));
  w.put("a.py", value("a.py", 2));
  w.commit();
}

TEST(CrashReplay, AfterEveryStoreUnderPressure) {
  RecordedWriter w;
  write_all_kinds(w);
  leave_little_room(w);
  const std::size_t begin = w.log().size();
  write_all_kinds(w, 4);
  for (int i = 0; i < 4; ++i) {
    w.turn_over();
    w.put("b.py", value("b.py", i));
    w.commit();
    w.tend();
  }
  EXPECT_GT(w.chunks_given_back(), 1u);
  expect_held(w, begin, {6, 64});
}

TEST(CrashReplay, AfterEveryStoreOfAGrowingTable) {
  RecordedWriter w(1 << 20);
  write_all_kinds(w);
  int modules = 0;
  const auto add = [&] { w.put("many/m" + std::to_string(modules++) + ".py", "x"); };
  while (modules < 490) add();
  w.commit();
  const std::size_t begin = w.log().size();
  const std::uint32_t first = w.log().named_root();
  while (w.log().named_root() == first) {
    for (int i = 0; i < 16; ++i) add();
    w.put("a.py", value("a.py", modules));
    w.commit();
  }
  write_all_kinds(w, 5);
  expect_held(w, begin, {1, 256});
}

TEST(CrashReplay, AfterEveryStoreWhenTheNameWasLost) {
  RecordedWriter w;
  write_all_kinds(w);
  const std::size_t begin = w.log().size();
  w.put("a.py", "staged before");
  w.lose_the_name();
  write_all_kinds(w, 4);
  expect_held(w, begin, {8, 16});
}

TEST(CrashReplay, AfterEveryStoreOfATakeOver) {
  RecordedWriter w(store_log::kSmallStore, 12);
  write_all_kinds(w);
  w.turn_over();
  const std::size_t begin = w.log().size();
  w.put("a.py", "staged by an agent that is killed");
  w.succeed();
  write_all_kinds(w, 4);
  w.let_history_expire();
  w.tend();
  EXPECT_GT(w.chunks_given_back(), 0u);
  w.succeed();
  w.put("a.py", value("a.py", 9));
  w.commit();
  expect_held(w, begin, {8, 64});
}

// Who has mapped a chunk that is gone must not take another for it.
TEST(CrashReplay, AfterEveryStoreOfATakeOverWhoseNewestChunkIsGone) {
  RecordedWriter w(store_log::kSmallStore, 12);
  write_all_kinds(w);
  const std::size_t begin = w.log().size();
  w.put("b.py", std::string(9000, 'b'));  // has a chunk of its own
  w.commit();
  w.put("b.py", value("b.py", 2));
  w.commit();
  w.let_history_expire();
  w.tend();
  ASSERT_EQ(w.chunks_given_back(), 1u);
  w.succeed();
  w.put("b.py", value("b.py", 3));
  w.commit();
  expect_held(w, begin, {2, 256});
}

TEST(CrashReplay, RandomLives) {
  const char* scripts = std::getenv("BIFROST_CRASH_SCRIPTS");
  const int count = scripts == nullptr ? 4 : std::atoi(scripts);
  for (int seed = 100; seed < 100 + count && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    RecordedWriter w(store_log::kSmallStore, seed % 2 == 0 ? 20 : 1000);
    const bool roomy = seed % 4 == 0;
    if (!roomy) leave_little_room(w);
    const std::size_t begin = w.log().size();
    live(w, static_cast<std::uint64_t>(seed), roomy, 40);
    expect_held(w, begin, {1, 512});
  }
}

// The checks themselves: writers that do one thing wrong are caught, on their own stores otherwise unchanged. All that
// a writer can do wrong: tests/model.
class ForgedLog : public ::testing::Test {
 protected:
  ForgedLog() : writer_(store_log::kSmallStore, 12) {
    write_all_kinds(writer_);
    writer_.turn_over();
    begin_ = writer_.log().size();
    writer_.let_history_expire();
    writer_.tend();
    write_all_kinds(writer_, 4);
    writer_.turn_over();
    writer_.let_history_expire();
    writer_.tend();
    stores_ = writer_.log().stores();
  }
  bool in_root(const Store& s) const { return writer_.log().images()[s.image].is_root(); }
  bool is_slot(const Store& s) const { return in_root(s) && s.is_store() && s.offset >= layout::kRootHeaderBytes; }
  bool is_gone(const Store& s) const { return !in_root(s) && s.is_store() && s.offset == layout::chunk::kGone; }
  // The store at `from` is made before the one at `to` < `from`.
  void move_up(std::size_t from, std::size_t to) {
    const auto at = [this](std::size_t n) { return stores_.begin() + static_cast<std::ptrdiff_t>(n); };
    std::rotate(at(to), at(from), at(from + 1));
  }
  template <class Which>
  void relax(Which which) {
    for (Store& s : stores_) {
      if (s.order == Order::kRelease && which(s)) s.order = Order::kRelaxed;
    }
  }
  CrashReport check() const { return check_every_crash(writer_, stores_, begin_, kQuestions, {12, 64}); }
  void expect_caught() const {
    const CrashReport report = check();
    ASSERT_FALSE(report.held());
    std::cout << "  " << report.violations.front() << '\n';
  }

  RecordedWriter writer_;
  std::size_t begin_ = 0;
  std::vector<Store> stores_;
};

TEST_F(ForgedLog, HoldsUnchanged) {
  EXPECT_GT(writer_.chunks_given_back(), 1u);
  expect_held(check());
}

TEST_F(ForgedLog, ThatPublishesASlotBeforeTheRecordIsWrittenIsCaught) {
  for (std::size_t i = begin_; i < stores_.size(); ++i) {
    if (!is_slot(stores_[i]) || layout::slot_dropped(stores_[i].value)) continue;
    const Address record = layout::slot_record(stores_[i].value, {0});
    std::size_t first = i;
    while (first > begin_ && (in_root(stores_[first]) || stores_[first].offset != record.offset())) --first;
    move_up(i, first);
  }
  expect_caught();
}

TEST_F(ForgedLog, WhoseSlotStoreDoesNotReleaseIsCaught) {
  relax([this](const Store& s) { return is_slot(s); });
  expect_caught();
}

TEST_F(ForgedLog, ThatNeverGivesUpSnapshotsIsCaught) {
  for (Store& s : stores_) {
    if (in_root(s) && s.offset == layout::control::kOldestGeneration) s.value = 0;
  }
  expect_caught();
}

TEST_F(ForgedLog, WithoutTheFenceBeforeMemoryIsGivenBackIsCaught) {
  stores_.erase(
      std::remove_if(stores_.begin(), stores_.end(), [](const Store& s) { return s.order == Order::kReleaseFence; }),
      stores_.end());
  expect_caught();
}

TEST_F(ForgedLog, ThatGivesAChunkBackBeforeTheSlotsLeadElsewhereIsCaught) {
  for (std::size_t i = begin_; i < stores_.size(); ++i) {
    if (!is_gone(stores_[i])) continue;
    std::size_t slot = i;
    while (!is_slot(stores_[slot])) --slot;
    move_up(i, slot);
  }
  expect_caught();
}

}  // namespace
}  // namespace bifrost::crash
