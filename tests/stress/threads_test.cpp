// The writer and readers as threads that share one mapping: what ThreadSanitizer can judge. (Readers that attach have a
// mapping of their own, where it sees nobody else's stores.)
//
// Built by the preset `tsan`, a mutant that loads words without atomics must be reported. ThreadSanitizer knows no
// fences, so that this says nothing about their order: tests/model does.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/reader/snapshot.hpp"
#include "self_described.hpp"
#include "tests/common/segment_fixture.hpp"

#if defined(BIFROST_TSAN)
// The mutant's test expects the first report to end the process.
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=66";
}
#endif

namespace bifrost::stress {
namespace {

constexpr int kReaders = 2;
constexpr int kCommits = 3'000;
constexpr unsigned kPaths = 16;

std::string path_of(unsigned n) {
  return "m" + std::to_string(n) + ".py";
}

// What SegmentWriter does with one table, for as long as it need not grow.
class OneTable {
 public:
  explicit OneTable(const std::string& dir) {
    auto table = SegmentTable::create(dir, 1 << 20, {"9.9", "", "/", 0, std::chrono::milliseconds(1000)});
    if (!table) throw std::runtime_error(table.error().message);
    table_ = std::move(*table);
  }
  void put(const std::string& path, const std::string& content) {
    const std::uint64_t extent = layout::extent_bytes(path.size(), 0, content.size());
    const auto place = table_->place_of(layout::KeySpace::kFile, path);
    auto at = table_->allocate(extent, SegmentTable::Use::kSource);
    if (!at && table_->reclaim(generation_) != 0) at = table_->allocate(extent, SegmentTable::Use::kSource);
    if (!place || !at) throw std::runtime_error("no room");
    RecordHead head{next(),
                    {},
                    extent,
                    {layout::RecordKind::kSource, layout::KeySpace::kFile, static_cast<std::uint16_t>(path.size()), 0},
                    content.size(),
                    {},
                    layout::content_digest(content),
                    {}};
    std::optional<RecordView> before;
    if (place->head.value != 0) before = table_->view(place->head);
    // A version staged in this same generation was never visible: the chain steps over it.
    if (before) head.previous = before->head.created == next() ? before->head.previous : before->offset;
    table_->install(*place, *at, head, record_body(path, {}, content));
    if (before) table_->supersede(*before, next(), SegmentTable::Variants::kOutOfDate);
  }
  void commit() {
    table_->publication().publish_generation(next());
    generation_ = next();
  }
  Generation next() const { return {generation_.value + 1}; }
  WriteWords words() const { return table_->file().words(); }
  const layout::Regions& regions() const { return table_->regions(); }

 private:
  std::unique_ptr<SegmentTable> table_;
  Generation generation_;
};

class ThreadsTest : public SegmentFixture {
 protected:
  struct Tally {
    std::uint64_t hits = 0;
    std::uint64_t lost = 0;
    std::uint64_t wrong = 0;
  };

  template <class Words>
  static void read_until(const std::atomic<bool>& stop, const Words& words, const layout::Regions& regions,
                         Tally& tally) {
    std::mt19937 random(7);
    std::string content;
    while (!stop.load()) {
      const auto snapshot = BasicSnapshot<Words>::newest(words, regions);
      const std::string path = path_of(static_cast<unsigned>(random() % kPaths));
      const Found found = snapshot.find_file(path);
      if (found.status == Lookup::kMiss) continue;  // not written yet
      const Lookup copied = found.status == Lookup::kHit ? snapshot.copy_content(found.record, content) : found.status;
      if (copied == Lookup::kSnapshotLost) {
        ++tally.lost;
        continue;
      }
      const auto stamp = copied == Lookup::kHit ? stamp_of(path, content) : std::nullopt;
      ++(stamp && *stamp <= snapshot.generation().value ? tally.hits : tally.wrong);
    }
  }

  // `words_of(table)`: how readers load.
  template <class WordsOf>
  Tally run(const WordsOf& words_of) {
    OneTable table(dir_);
    // Mapped, it needs no name. The mutant's process is ended without destructors, and would leave it.
    std::filesystem::remove_all(dir_);
    std::atomic<bool> stop{false};
    Tally tallies[kReaders];
    std::vector<std::thread> readers;
    for (Tally& tally : tallies) {
      readers.emplace_back([&] { read_until(stop, words_of(table), table.regions(), tally); });
    }
    std::mt19937 random(42);
    for (int n = 0; n < kCommits; ++n) {
      for (auto changes = 1 + random() % 3; changes > 0; --changes) {
        const std::string path = path_of(static_cast<unsigned>(random() % kPaths));
        table.put(path, describe(path, table.next().value, random() % 8'000));
      }
      table.commit();
    }
    stop = true;
    Tally all;
    for (int n = 0; n < kReaders; ++n) {
      readers[static_cast<std::size_t>(n)].join();
      all = {all.hits + tallies[n].hits, all.lost + tallies[n].lost, all.wrong + tallies[n].wrong};
    }
    return all;
  }
};

TEST_F(ThreadsTest, EveryAnswerIsOneVersionOrLost) {
  const Tally tally = run([](const OneTable& table) { return table.words().reader(); });
  EXPECT_GT(tally.hits, 0u);
  EXPECT_EQ(tally.wrong, 0u);
}

#if defined(BIFROST_TSAN)
// The mutant: what readers load is a plain word.
class PlainWords {
 public:
  PlainWords(ReadWords words, const char* base) : words_(words), base_(base) {}
  layout::Word acquire(std::uint64_t offset) const { return words_.acquire(offset); }
  layout::Word relaxed(std::uint64_t offset) const {
    layout::Word word;
    std::memcpy(&word, base_ + offset, sizeof word);
    return word;
  }
  void fence_acquire() const {}
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { words_.copy_out(offset, to, bytes); }

 private:
  ReadWords words_;
  const char* base_;
};

TEST_F(ThreadsTest, LoadsThatAreNotAtomicAreReported) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto plain = [](const OneTable& table) {
    return PlainWords(table.words().reader(), table.words().own_bytes(0));
  };
  EXPECT_EXIT(run(plain), ::testing::ExitedWithCode(66), "data race");
}
#endif

}  // namespace
}  // namespace bifrost::stress
