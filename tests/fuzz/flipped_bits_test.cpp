// A root and its chunks with random bits flipped and random words replaced: every lookup, walk, listing and copy ends
// in an answer, without a load outside its file and without a long loop.
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
  const CheckedFiles whole(sound.root, sound.chunks);
  CheckedFiles files(whole);
  const char* rounds = std::getenv("BIFROST_FUZZ_ROUNDS");
  const long count = rounds == nullptr ? 500'000 : std::atol(rounds);
  std::mt19937_64 random(20260301);
  const auto any_place = [&] { return sound.places[random() % sound.places.size()]; };
  for (long round = 0; round < count; ++round) {
    // Damage adds up for a while, then starts afresh.
    if (round % 200 == 0) files = whole;
    for (int flip = 0; flip < 8; ++flip) {
      const SoundSegment::Place at = any_place();
      layout::Word& word = files.words_of(at.chunk)[at.offset / layout::kWordBytes];
      switch (random() % 4) {
        case 0: word = random(); break;
        case 1: {
          const SoundSegment::Place to = any_place();
          const layout::Word print = at.chunk == 0 ? word & ~layout::kSlotAddressMask : 0;
          word = print | Address({to.chunk}, to.offset).value;
          break;
        }
        default: word ^= layout::Word{1} << random() % 64; break;
      }
    }
    const auto snapshot = BasicSnapshot<CheckedFiles::Memory>::newest(files.memory());
    const std::string& path = sound.paths[random() % sound.paths.size()];
    const SlotNumber slot{random() % snapshot.slot_count()};
    ASSERT_NO_THROW(read_everything(snapshot, path, slot, [&files] { files.forget_loads(); })) << "round " << round;
  }
}

}  // namespace
}  // namespace bifrost::fuzz
