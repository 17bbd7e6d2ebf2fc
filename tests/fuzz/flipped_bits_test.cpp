// A full segment with random bits flipped and random words replaced: every lookup, walk, listing and copy ends in an
// answer, without a load outside the segment and without a long loop.
//
// Long form: BIFROST_FUZZ_ROUNDS=2000000 build/release/bin/fuzz_test
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>
#include <vector>

#include "common/layout/listing.hpp"
#include "tests/common/segment_fixture.hpp"

namespace bifrost {
namespace {

constexpr std::uint64_t kMaxLoads = 5'000'000;  // of one lookup; a long loop would need far more

// Loads that are counted and checked.
class CheckedWords {
 public:
  CheckedWords(const std::vector<layout::Word>* image, std::uint64_t* loads) : image_(image), loads_(loads) {}

  layout::Word acquire(std::uint64_t offset) const { return relaxed(offset); }
  layout::Word relaxed(std::uint64_t offset) const {
    if (offset % layout::kWordBytes != 0) throw std::runtime_error("a load that is not aligned");
    if (offset / layout::kWordBytes >= image_->size()) throw std::runtime_error("a load outside the segment");
    if (++*loads_ > kMaxLoads) throw std::runtime_error("a lookup that does not end");
    return (*image_)[offset / layout::kWordBytes];
  }
  void fence_acquire() const {}
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const {
    for (std::uint64_t done = 0; done < bytes; done += layout::kWordBytes) {
      const layout::Word w = relaxed(offset + done);
      std::memcpy(static_cast<char*>(to) + done, &w, std::min(bytes - done, layout::kWordBytes));
    }
  }

 private:
  const std::vector<layout::Word>* image_;
  std::uint64_t* loads_;
};

class FlippedBits : public SegmentFixture {
 protected:
  void SetUp() override {
    for (int i = 0; i < 200; ++i) {
      const std::string path = "pkg" + std::to_string(i % 20) + "/m" + std::to_string(i) + ".py";
      put(path, "x = " + std::to_string(i));
      paths_.push_back(path);
    }
    commit();
    for (int i = 0; i < 200; i += 3) put(paths_[static_cast<std::size_t>(i)], "y = 1");
    commit();
    std::ifstream in(segment_path(), std::ios::binary);
    sound_.resize((1 << 20) / sizeof(layout::Word));
    in.read(reinterpret_cast<char*>(sound_.data()), 1 << 20);
    used_bytes_ = layout::compute_regions(1 << 20).heap_offset + 96 * 1024;  // beyond lies nothing yet
  }

  void read_everything(const std::vector<layout::Word>& image, std::mt19937_64& random) {
    std::uint64_t loads = 0;
    const auto snapshot =
        BasicSnapshot<CheckedWords>::newest(CheckedWords(&image, &loads), layout::compute_regions(1 << 20));
    const std::string& path = paths_[random() % paths_.size()];
    std::string body;
    if (const Found found = snapshot.find_file(path); found.status == Lookup::kHit) {
      snapshot.verify(found.record, body);
      snapshot.copy_token(found.record, body);
    }
    loads = 0;
    const FoundNode node = snapshot.find_node(path.substr(0, path.find('/')));
    if (node.status == Lookup::kHit && snapshot.copy_content(node.node, body) == Lookup::kHit) {
      std::vector<Child> children;
      static_cast<void>(decode_listing(body, children));
    }
    loads = 0;
    const Found there = snapshot.at_slot({random() % snapshot.slot_count()});
    if (there.status == Lookup::kHit) snapshot.verify(there.record, body);
  }

  std::vector<std::string> paths_;
  std::vector<layout::Word> sound_;
  std::uint64_t used_bytes_ = 0;
};

TEST_F(FlippedBits, CostAnAnswerAndNothingElse) {
  const char* rounds = std::getenv("BIFROST_FUZZ_ROUNDS");
  const long count = rounds == nullptr ? 20'000 : std::atol(rounds);
  std::mt19937_64 random(20260301);
  std::vector<layout::Word> image = sound_;
  for (long round = 0; round < count; ++round) {
    // Damage adds up for a while, then starts afresh.
    if (round % 200 == 0) image = sound_;
    for (int flip = 0; flip < 8; ++flip) {
      layout::Word& word = image[random() % (used_bytes_ / layout::kWordBytes)];
      switch (random() % 4) {
        case 0: word = random(); break;
        case 1: word = layout::compute_regions(1 << 20).heap_offset + random() % (96 * 1024); break;
        default: word ^= layout::Word{1} << random() % 64; break;
      }
    }
    ASSERT_NO_THROW(read_everything(image, random)) << "round " << round;
  }
}

}  // namespace
}  // namespace bifrost
