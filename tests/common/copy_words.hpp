// copy_words.hpp - what tests put in the place of ReadWords and of mapped memory has in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/layout/record_layout.hpp"

namespace bifrost {

// copy_out(): one relaxed load after the other.
template <class Words>
void copy_words(const Words& words, std::uint64_t offset, void* to, std::uint64_t bytes) {
  for (std::uint64_t done = 0; done < bytes; done += layout::kWordBytes) {
    const layout::Word w = words.relaxed(offset + done);
    std::memcpy(static_cast<std::byte*>(to) + done, &w, std::min(bytes - done, layout::kWordBytes));
  }
}

// As MappedChunk, over any words.
template <class Words>
struct ChunkOver {
  Words words;
  std::uint64_t bytes = 0;

  bool gone() const {
    words.fence_acquire();
    return words.relaxed(layout::chunk::kGone) != 0;
  }
};

// As MappedMemory. `Chunks` says what `chunk(number)` is.
template <class Words, class Chunks>
class MemoryOver {
 public:
  using Chunk = ChunkOver<Words>;

  // The root's words by loads that count for nothing: they were written before it had a name.
  MemoryOver(Words root, layout::Regions regions, ChunkNumber base, const Chunks* chunks)
      : root_(root), regions_(regions), base_(base), chunks_(chunks) {}

  const Words& root() const { return root_; }
  const layout::Regions& regions() const { return regions_; }
  ChunkNumber chunk_base() const { return base_; }
  const Chunk* chunk(ChunkNumber number) const { return chunks_->chunk(number); }

 private:
  Words root_;
  layout::Regions regions_;
  ChunkNumber base_;
  const Chunks* chunks_;
};

}  // namespace bifrost
