// A full segment with random bits flipped and random words replaced: every lookup, walk, listing and copy ends in an
// answer, without a load outside the segment and without a long loop.
//
// Long form: BIFROST_FUZZ_ROUNDS=20000000 build/release/bin/fuzz_test
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "sound_segment.hpp"
#include "tests/common/checked_words.hpp"

namespace bifrost::fuzz {
namespace {

TEST(FlippedBits, CostAnAnswerAndNothingElse) {
  const SoundSegment sound;
  const layout::Regions regions = layout::compute_regions(kSegmentBytes);
  const char* rounds = std::getenv("BIFROST_FUZZ_ROUNDS");
  const long count = rounds == nullptr ? 500'000 : std::atol(rounds);
  std::mt19937_64 random(20260301);
  std::vector<layout::Word> image = sound.words;
  for (long round = 0; round < count; ++round) {
    // Damage adds up for a while, then starts afresh.
    if (round % 200 == 0) image = sound.words;
    for (int flip = 0; flip < 8; ++flip) {
      const std::uint64_t place = sound.places[random() % sound.places.size()];
      if (place < layout::kHeaderBytes) continue;  // another generation would only hide the rest
      layout::Word& word = image[place / layout::kWordBytes];
      switch (random() % 4) {
        case 0: word = random(); break;
        case 1: word = regions.heap_offset + random() % (sound.heap_used_end - regions.heap_offset); break;
        default: word ^= layout::Word{1} << random() % 64; break;
      }
    }
    std::uint64_t loads = 0;
    const auto snapshot = BasicSnapshot<CheckedWords>::newest(CheckedWords(&image, &loads, kMaxLookupLoads), regions);
    const std::string& path = sound.paths[random() % sound.paths.size()];
    const SlotNumber slot{random() % regions.slot_count};
    ASSERT_NO_THROW(read_everything(snapshot, path, slot, [&loads] { loads = 0; })) << "round " << round;
  }
}

}  // namespace
}  // namespace bifrost::fuzz
