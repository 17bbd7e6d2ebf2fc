// A full segment with random bits flipped and random words replaced: every lookup, walk, listing and copy ends in an
// answer, without a load outside its file and without a long loop.
//
// Long form: BIFROST_FUZZ_ROUNDS=20000000 build/release/bin/fuzz_test
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "sound_segment.hpp"

namespace bifrost::fuzz {
namespace {

TEST(FlippedBits, CostAnAnswerAndNothingElse) {
  const SoundSegment sound;
  const char* rounds = std::getenv("BIFROST_FUZZ_ROUNDS");
  const long count = rounds == nullptr ? 200'000 : std::atol(rounds);
  std::mt19937_64 random(20260301);
  CheckedFiles image = sound.files;
  for (long round = 0; round < count; ++round) {
    // Damage adds up for a while, then starts afresh.
    if (round % 200 == 0) image = sound.files;
    for (int flip = 0; flip < 8; ++flip) {
      const SoundSegment::Place& place = sound.places[random() % sound.places.size()];
      // Another generation would only hide the rest.
      if (place.file == 0 && place.offset < layout::kRootHeaderBytes) continue;
      layout::Word& word = word_at(image, place);
      switch (random() % 4) {
        case 0: word = random(); break;
        case 1: word = Address(ChunkNumber{1 + random() % 4}, random() % (1 << 17)).value; break;
        default: word ^= layout::Word{1} << random() % 64; break;
      }
    }
    const std::string& path = sound.paths[random() % sound.paths.size()];
    const SlotNumber slot{random() % image.memory().regions().slot_count};
    const auto snapshot = BasicSnapshot<CheckedFiles::Memory>::newest(image.memory());
    ASSERT_NO_THROW(read_everything(snapshot, path, slot, [&image] { image.forget_loads(); })) << "round " << round;
  }
}

}  // namespace
}  // namespace bifrost::fuzz
