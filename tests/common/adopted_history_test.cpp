#include "common/writer/adopted_history.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace bifrost {
namespace {

struct Told {
  std::uint64_t last;
  std::uint64_t bytes;
};

std::vector<Told> told(const AdoptedHistory& history) {
  std::vector<Told> parts;
  history.for_each([&](Generation last, const AdoptedHistory::ByChunk& by_chunk) {
    Told part{last.value, 0};
    for (const auto& [chunk, bytes] : by_chunk) part.bytes += bytes;
    parts.push_back(part);
  });
  return parts;
}

TEST(AdoptedHistoryTest, WhatIsOfOneGenerationIsOnePartAndTheOldestIsToldFirst) {
  AdoptedHistory history;
  history.add({1}, 10, {7});
  history.add({2}, 20, {3});
  history.add({1}, 5, {7});
  const auto parts = told(history);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].last, 3u);
  EXPECT_EQ(parts[0].bytes, 20u);
  EXPECT_EQ(parts[1].last, 7u);
  EXPECT_EQ(parts[1].bytes, 15u);
}

// Whatever the numbers are: all may lie together behind a long gap, and a few may hold nearly all bytes.
TEST(AdoptedHistoryTest, PartsAreSmallBesideTheWholeAndFewHoweverManyGenerationsThereAre) {
  constexpr std::uint64_t kGenerations = 50'000;
  std::mt19937_64 random(11);
  std::vector<std::uint64_t> bytes_of(kGenerations);  // by generation, from a million on
  AdoptedHistory history;
  std::uint64_t all = 0;
  for (int key = 0; key < 200'000; ++key) {
    const std::uint64_t g = random() % kGenerations;
    const std::uint64_t bytes = g >= kGenerations - 400 ? 100'000 : 500;
    history.add({random() % 9}, bytes, {1'000'000 + g});
    bytes_of[g] += bytes;
    all += bytes;
  }
  EXPECT_LE(history.parts(), 4 * AdoptedHistory::kParts);
  const std::uint64_t most_of_one = *std::max_element(bytes_of.begin(), bytes_of.end());
  std::uint64_t told_of = 0;      // bytes
  std::uint64_t out_of_date = 0;  // of these generations and of those before
  std::uint64_t g = 0;
  for (const Told& part : told(history)) {
    EXPECT_LE(part.bytes, all / AdoptedHistory::kParts + most_of_one);
    told_of += part.bytes;
    for (; 1'000'000 + g <= part.last; ++g) out_of_date += bytes_of[g];
    ASSERT_LE(told_of, out_of_date) << "nothing is dated too early";
  }
  EXPECT_EQ(told_of, all);
}

// As the log does it: a little of every generation, and then what is much of a few.
TEST(AdoptedHistoryTest, PartsStaySmallWhereMuchFallsBetweenThoseThatWereJoined) {
  AdoptedHistory history;
  for (std::uint64_t g = 100'000; g > 0; --g) history.add({1}, 120, {g});
  std::uint64_t all = 100'000 * 120;
  for (std::uint64_t g = 50'060; g > 50'000; --g) {
    history.add({2}, 1'000'000, {g});
    all += 1'000'000;
  }
  std::uint64_t most = 0;
  std::uint64_t sum = 0;
  for (const Told& part : told(history)) {
    most = std::max(most, part.bytes);
    sum += part.bytes;
  }
  EXPECT_EQ(sum, all);
  EXPECT_LE(most, 2 * 1'000'000u);
}

}  // namespace
}  // namespace bifrost
