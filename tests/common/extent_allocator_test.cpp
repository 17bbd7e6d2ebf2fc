#include "common/writer/extent_allocator.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace bifrost {
namespace {

TEST(ExtentAllocator, GivesEverythingBackAsOneExtent) {
  ExtentAllocator heap(4096, 4096 + 1024);
  const auto a = heap.allocate(100);
  const auto b = heap.allocate(200);
  const auto c = heap.allocate(300);
  ASSERT_TRUE(a && b && c);
  heap.release(*b, 200);
  heap.release(*a, 100);
  heap.release(*c, 300);
  EXPECT_EQ(heap.free_bytes(), 1024u);
  EXPECT_EQ(heap.largest_free(), 1024u);
}

TEST(ExtentAllocator, TakesTheSmallestExtentThatFits) {
  ExtentAllocator heap(0, 4096);
  const auto hole = heap.allocate(64);
  const auto wall = heap.allocate(16);
  ASSERT_TRUE(hole && wall);
  heap.release(*hole, 64);
  EXPECT_EQ(heap.allocate(60), hole);
}

TEST(ExtentAllocator, RefusesWhatDoesNotFit) {
  ExtentAllocator heap(0, 128);
  EXPECT_FALSE(heap.allocate(129));
  EXPECT_FALSE(heap.allocate(0));
  EXPECT_TRUE(heap.allocate(128));
  EXPECT_FALSE(heap.allocate(1));
}

TEST(ExtentAllocator, NeverHandsOutTheSameByteTwice) {
  ExtentAllocator heap(64, 1 << 16);
  const std::uint64_t all = heap.free_bytes();
  std::map<std::uint64_t, std::uint64_t> taken;  // offset -> bytes
  std::mt19937 random(3);
  std::uint64_t taken_bytes = 0;
  for (int round = 0; round < 20'000; ++round) {
    if (random() % 2 == 0) {
      const std::uint64_t bytes = 1 + random() % 2000;
      const auto offset = heap.allocate(bytes);
      if (!offset) continue;
      const auto next = taken.lower_bound(*offset);
      if (next != taken.end()) {
        ASSERT_LE(*offset + ExtentAllocator::rounded(bytes), next->first);
      }
      if (next != taken.begin()) {
        const auto before = std::prev(next);
        ASSERT_LE(before->first + ExtentAllocator::rounded(before->second), *offset);
      }
      taken.emplace(*offset, bytes);
      taken_bytes += ExtentAllocator::rounded(bytes);
    } else if (!taken.empty()) {
      const auto victim = std::next(taken.begin(), static_cast<long>(random() % taken.size()));
      heap.release(victim->first, victim->second);
      taken_bytes -= ExtentAllocator::rounded(victim->second);
      taken.erase(victim);
    }
    ASSERT_EQ(heap.free_bytes() + taken_bytes, all);
  }
}

}  // namespace
}  // namespace bifrost
