// Many updates and deletes of random sizes: the segment's memory stays within a bound of what is alive, nothing leaks,
// and what was torn apart grows together again.
//
// Long form: BIFROST_CHURN_CHANGES=10000000 build/release/bin/stress_test --gtest_filter='Churn*'
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <unordered_map>

#include "tests/common/segment_fixture.hpp"

namespace bifrost::stress {
namespace {

class Churn : public SegmentFixture {
 protected:
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
};

TEST_F(Churn, OfRandomSizesStaysWithinABoundAndLeaksNothing) {
  constexpr std::uint64_t kMaxSize = 32 << 20;
  constexpr std::uint64_t kMostAlive = 14 << 20;  // under half of the heap
  const char* text = std::getenv("BIFROST_CHURN_CHANGES");
  const std::uint64_t changes = text == nullptr ? 400'000 : std::strtoull(text, nullptr, 10);
  make_writer(1 << 20, kMaxSize);
  std::mt19937_64 random(20261124);
  std::unordered_map<std::uint64_t, std::uint64_t> alive;  // module: bytes of its source
  std::uint64_t live = 0;
  std::uint64_t most_live = 0;
  std::uint64_t most_file = 0;
  std::uint64_t early_peak = 0;
  const std::string text_of_all_lengths(1 << 16, 'c');
  const auto path_of = [](std::uint64_t module) { return fmt::format("area{}/m{}.py", module % 50, module); };
  for (std::uint64_t n = 0; n < changes; ++n) {
    const std::uint64_t module = random() % 2000;
    // Log-uniform: as many below 256 bytes as above 16 KiB.
    const std::uint64_t bytes = (std::uint64_t{64} << random() % 10) + random() % 64;
    std::uint64_t& now = alive[module];
    if (random() % 5 == 0 || live - now + bytes > kMostAlive) {
      writer().remove(path_of(module));
      live -= now;
      now = 0;
    } else {
      // The first bytes differ each time: an equal content would be no change.
      std::string content = fmt::format("{:20}", n) + text_of_all_lengths.substr(0, bytes - 20);
      ASSERT_EQ(writer().put_source(path_of(module), content, "h"), Put::kStaged)
          << "no room after " << n << " changes";
      live += bytes - now;
      now = bytes;
    }
    if (random() % 4 != 0) continue;
    commit();
    most_live = std::max(most_live, live);
    most_file = std::max(most_file, file_bytes());
    if (n < changes / 2) early_peak = resident_peak_bytes();
  }
  commit();
  const SegmentInfo info = attach()->info();
  std::cout << fmt::format(
      "  {} changes: at most {} KiB alive, {} KiB of files ({:.2f} of it), heap {} KiB, {} reuses, {} growths, process "
      "{} "
      "KiB after one half and {} KiB after both\n",
      changes, most_live / 1024, most_file / 1024, static_cast<double>(most_file) / static_cast<double>(most_live),
      info.heap_bytes / 1024, info.counters[static_cast<std::size_t>(Counter::kReuses)],
      info.counters[static_cast<std::size_t>(Counter::kGrowths)], early_peak / 1024, resident_peak_bytes() / 1024);
  EXPECT_EQ(writer().without_room(), 0u);
  EXPECT_LE(info.total_bytes, kMaxSize);
  EXPECT_LE(most_file, most_live * 5 / 2) << "fragmentation, or files that stay behind";
  EXPECT_LE(resident_peak_bytes(), early_peak + early_peak / 4) << "the writer's own books grow";

  // Everything goes: one extent is left, as large as the heap but for the deletions themselves.
  for (const auto& [module, bytes] : alive) writer().remove(path_of(module));
  commit();
  EXPECT_EQ(writer().modules(), 0u);
  const std::uint64_t nearly_all = info.heap_bytes * 3 / 4;
  EXPECT_EQ(writer().put_source("big.py", std::string(nearly_all, 'b'), "h"), Put::kStaged) << "memory has leaked";
  commit();
}

}  // namespace
}  // namespace bifrost::stress
