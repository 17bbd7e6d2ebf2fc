// checked_words.hpp - stands for mapped memory over copies of a root and its chunks: every load is checked, and
// counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/layout/record_layout.hpp"
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
    if (offset % layout::kWordBytes != 0) throw std::runtime_error("a load that is not aligned");
    if (offset / layout::kWordBytes >= image_->size()) throw std::runtime_error("a load outside the file");
    return (*image_)[offset / layout::kWordBytes];
  }
  void fence_acquire() const {}
  // Counted once: its length is that of the answer.
  void copy_out(std::uint64_t offset, void* to, std::uint64_t bytes) const {
    const std::uint64_t before = *loads_;
    copy_words(*this, offset, to, bytes);
    *loads_ = before + 1;
  }

 private:
  const std::vector<Word>* image_;
  std::uint64_t* loads_;
  std::uint64_t max_loads_;
};

// A root and chunks to be read through CheckedWords, and to be damaged.
class CheckedFiles {
 public:
  using Memory = MemoryOver<CheckedWords, CheckedFiles>;
  using Words = std::vector<layout::Word>;

  CheckedFiles(Words root, std::map<std::uint64_t, Words> chunks, std::uint64_t max_loads = kMaxLookupLoads)
      : root_(std::move(root)), chunks_(std::move(chunks)), max_loads_(max_loads) {
    for (const auto& [number, words] : chunks_) {
      readers_.insert({number, {CheckedWords(&words, &loads_, max_loads_), words.size() * layout::kWordBytes}});
    }
  }
  CheckedFiles(const CheckedFiles& other) : CheckedFiles(other.root_, other.chunks_, other.max_loads_) {}
  CheckedFiles& operator=(const CheckedFiles& other) {
    root_ = other.root_;
    chunks_ = other.chunks_;  // the same numbers: the readers stay
    return *this;
  }

  // What a reader takes from the header, it has checked when it attached.
  Memory memory() const {
    return {CheckedWords(&root_, &loads_, max_loads_),
            {(root_.size() * layout::kWordBytes - layout::kRootHeaderBytes) / layout::kWordBytes},
            {root_[layout::header::kChunkBase / layout::kWordBytes]},
            this};
  }
  const Memory::Chunk* chunk(ChunkNumber number) const {
    const auto found = readers_.find(number.value);
    return found == readers_.end() ? nullptr : &found->second;
  }

  // The words of a chunk, or with number 0 of the root.
  Words& words_of(std::uint64_t chunk) { return chunk == 0 ? root_ : chunks_.at(chunk); }
  const Words& words_of(std::uint64_t chunk) const { return chunk == 0 ? root_ : chunks_.at(chunk); }
  void forget_loads() { loads_ = 0; }

 private:
  Words root_;
  std::map<std::uint64_t, Words> chunks_;
  std::uint64_t max_loads_;
  mutable std::uint64_t loads_ = 0;
  std::map<std::uint64_t, Memory::Chunk> readers_;
};

}  // namespace bifrost
