// copy_words.hpp - copy_out() of the words that tests put in the place of ReadWords: one relaxed load after the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/layout/segment_layout.hpp"

namespace bifrost {

template <class Words>
void copy_words(const Words& words, std::uint64_t offset, void* to, std::uint64_t bytes) {
  for (std::uint64_t done = 0; done < bytes; done += layout::kWordBytes) {
    const layout::Word w = words.relaxed(offset + done);
    std::memcpy(static_cast<std::byte*>(to) + done, &w, std::min(bytes - done, layout::kWordBytes));
  }
}

}  // namespace bifrost
