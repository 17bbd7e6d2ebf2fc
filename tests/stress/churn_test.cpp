// Many updates and deletes of random sizes in little room: the files never take more than they may, history is given up
// for what is alive, what is kept is whole, and nothing leaks.
//
// Long form: BIFROST_CHURN_CHANGES=10000000 build/release/bin/stress_test --gtest_filter='Churn*'
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <random>
#include <unordered_map>

#include "common/reader/segment.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::stress {
namespace {

constexpr std::uint64_t kMaxSize = 32 << 20;
constexpr std::uint64_t kMostAlive = 14 << 20;
constexpr std::uint64_t kModules = 2000;
constexpr std::size_t kSnapshots = 16;  // held at once

std::string path_of(std::uint64_t module) {
  return fmt::format("area{}/m{}.py", module % 50, module);
}

// Which version of each module there is: what was written last, by its number; 0 where there is none.
using Versions = std::vector<std::uint64_t>;

class Churn : public ::testing::Test {
 protected:
  Churn() {
    std::string pattern = "/dev/shm/bifrost-churn-XXXXXX";
    dir_ = ::mkdtemp(pattern.data());
    StoreOptions options;
    options.dir = dir_;
    options.max_size_bytes = kMaxSize;
    auto writer = SegmentWriter::create(options);
    if (!writer) throw std::runtime_error(writer.error().message);
    writer_ = std::move(*writer);
  }
  ~Churn() override {
    writer_.reset();
    std::filesystem::remove_all(dir_);
  }

  // Memory that the files of the directory take, the unpublished ones included.
  std::uint64_t file_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      struct stat st {};
      if (::lstat(entry.path().c_str(), &st) == 0) bytes += static_cast<std::uint64_t>(st.st_blocks) * 512;
    }
    return bytes;
  }
  static std::uint64_t resident_peak_bytes() {
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  }

  void commit() { ASSERT_TRUE(writer_->commit()); }

  // --- Snapshots that are held ---

  struct Held {
    Generation generation;
    Versions versions;
  };
  void hold(const Versions& versions) {
    held_.push_back({writer_->generation(), versions});
    if (held_.size() > kSnapshots) held_.pop_front();
  }
  // Some modules of each snapshot that is still promised.
  void check_held(std::mt19937_64& random) {
    auto segment = Segment::attach(dir_, {}, segment_.get());
    ASSERT_TRUE(segment);
    segment_ = std::move(*segment);
    for (const Held& held : held_) {
      const Snapshot snapshot = segment_->snapshot_at(held.generation);
      if (!snapshot.kept()) {
        ++given_up_;
        continue;
      }
      ++kept_;
      for (int n = 0; n < 20; ++n) {
        const std::uint64_t module = random() % kModules;
        const Found found = snapshot.find_file(path_of(module));
        std::string content;
        if (held.versions[module] == 0) {
          ASSERT_EQ(found.status, Lookup::kMiss) << path_of(module) << " at " << held.generation.value;
          continue;
        }
        ASSERT_EQ(found.status, Lookup::kHit) << path_of(module) << " at " << held.generation.value;
        ASSERT_EQ(snapshot.verify(found.record, content), Lookup::kHit) << path_of(module);
        ASSERT_EQ(std::stoull(std::string(Snapshot::content_in(found.record, content).substr(0, 20))),
                  held.versions[module]);
      }
    }
  }

  std::string dir_;
  std::unique_ptr<SegmentWriter> writer_;
  std::shared_ptr<const Segment> segment_;
  std::deque<Held> held_;
  std::uint64_t kept_ = 0;
  std::uint64_t given_up_ = 0;
};

TEST_F(Churn, OfRandomSizesStaysWithinItsRoomAndKeepsWhatItPromises) {
  const char* text = std::getenv("BIFROST_CHURN_CHANGES");
  const std::uint64_t changes = text == nullptr ? 200'000 : std::strtoull(text, nullptr, 10);
  std::mt19937_64 random(20261124);
  std::unordered_map<std::uint64_t, std::uint64_t> alive;  // module: bytes of its source
  Versions versions(kModules);
  std::uint64_t live = 0;
  std::uint64_t most_live = 0;
  std::uint64_t most_file = 0;
  std::uint64_t early_peak = 0;
  const std::string text_of_all_lengths(1 << 16, 'c');
  std::uint64_t commits = 0;
  for (std::uint64_t n = 1; n <= changes; ++n) {
    const std::uint64_t module = random() % kModules;
    // Log-uniform: as many below 2 KiB as above.
    const std::uint64_t bytes = (std::uint64_t{64} << random() % 10) + random() % 64;
    std::uint64_t& now = alive[module];
    if (random() % 5 == 0 || live - now + bytes > kMostAlive) {
      writer_->remove(path_of(module));
      live -= now;
      now = 0;
      versions[module] = 0;
    } else {
      std::string content = fmt::format("{:20}", n) + text_of_all_lengths.substr(0, bytes - 20);
      ASSERT_EQ(writer_->put_source(path_of(module), content, "h"), Put::kStaged)
          << "no room after " << n << " changes, with " << live / 1024 << " KiB alive";
      live += bytes - now;
      now = bytes;
      versions[module] = n;
    }
    if (random() % 4 != 0) continue;
    commit();
    if (random() % 8 == 0) writer_->tend();
    if (++commits % 64 == 0) hold(versions);
    if (commits % 16 == 0) {
      most_file = std::max(most_file, file_bytes());
      ASSERT_LE(most_file, kMaxSize) << "after " << n << " changes";
    }
    if (commits % 256 == 0) {
      ASSERT_NO_FATAL_FAILURE(check_held(random));
    }
    most_live = std::max(most_live, live);
    if (n < changes / 2) early_peak = resident_peak_bytes();
  }
  commit();
  const SegmentInfo info = segment_->info();
  std::cout << fmt::format(
      "  {} changes: at most {} KiB alive, {} KiB of files, {} KiB of history in {} chunks; of the snapshots held {} "
      "were kept and {} given up; history given up early {} times; process {} KiB after one half and {} KiB after "
      "both\n",
      changes, most_live / 1024, most_file / 1024, info.history_bytes / 1024, info.chunks, kept_, given_up_,
      info.counters[static_cast<std::size_t>(Counter::kHistoryGivenUp)], early_peak / 1024,
      resident_peak_bytes() / 1024);
  EXPECT_EQ(writer_->without_room(), 0u);
  EXPECT_LE(info.size_bytes, kMaxSize);
  EXPECT_EQ(info.history_limit, layout::HistoryLimit::kMaxSize);
  EXPECT_GT(kept_, 0u);
  EXPECT_GT(given_up_, 0u);
  EXPECT_LE(resident_peak_bytes(), early_peak + early_peak / 4) << "the writer's own books grow";

  // Everything goes: nearly all of the room is there for one module.
  for (const auto& [module, bytes] : alive) writer_->remove(path_of(module));
  commit();
  EXPECT_EQ(writer_->modules(), 0u);
  EXPECT_EQ(writer_->put_source("big.py", std::string(kMaxSize / 4 * 3, 'b'), "h"), Put::kStaged)
      << "memory has leaked";
  commit();
}

}  // namespace
}  // namespace bifrost::stress
