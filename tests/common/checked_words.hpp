// checked_words.hpp - stands for ReadWords over a copy of a segment: every load is checked, and counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "common/layout/segment_layout.hpp"
#include "tests/common/copy_words.hpp"

namespace bifrost {

// What a lookup may load at most: headers of the longest walk, a slot for each probe, and the key.
inline constexpr std::uint64_t kMaxLookupLoads =
    layout::kMaxChainSteps * (layout::record::kHeaderBytes / layout::kWordBytes + 1) + 16 * layout::kMaxProbes;

class CheckedWords {
 public:
  using Word = layout::Word;

  // Throws std::runtime_error at a load that is not aligned, outside the image, or beyond `max_loads`.
  CheckedWords(const std::vector<Word>* image, std::uint64_t* loads, std::uint64_t max_loads)
      : image_(image), loads_(loads), max_loads_(max_loads) {}

  Word acquire(std::uint64_t offset) const { return relaxed(offset); }
  Word relaxed(std::uint64_t offset) const {
    if (++*loads_ > max_loads_) throw std::runtime_error("a lookup that does not end");
    return at(offset);
  }
  void fence_acquire() const {}
  // Not counted: its length is that of the answer.
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const { copy_words(*this, offset, to, bytes); }

 private:
  Word at(std::uint64_t offset) const {
    if (offset % layout::kWordBytes != 0) throw std::runtime_error("a load that is not aligned");
    if (offset / layout::kWordBytes >= image_->size()) throw std::runtime_error("a load outside the segment");
    return (*image_)[offset / layout::kWordBytes];
  }

  const std::vector<Word>* image_;
  std::uint64_t* loads_;
  std::uint64_t max_loads_;
};

}  // namespace bifrost
