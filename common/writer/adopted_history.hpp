// adopted_history.hpp - what the agent before has left as history, in the order in which it goes.
//
// It is found key by key, and told to the ledger (history_ledger.hpp) generation by generation. Pure. One thread.
// (A1) Memory is bounded: parts that are neighbours share an entry where both are small beside the whole.
// (A2) Nothing is dated before the generation from which it is out of date.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/layout/segment_layout.hpp"

namespace bifrost {

class AdoptedHistory {
 public:
  static constexpr std::uint64_t kParts = 512;  // of the whole: so much may go as one, or what is of one generation

  using ByChunk = std::unordered_map<std::uint64_t, std::uint64_t>;

  // `bytes` of `chunk` are out of date from `since` on.
  void add(ChunkNumber chunk, std::uint64_t bytes, Generation since) {
    auto part = parts_.lower_bound(since);
    if (part == parts_.end() || since < part->second.first) {
      part = parts_.emplace_hint(part, since, Part{since, 0, {}});
    } else if (since < part->first && part->second.bytes + bytes > 2 * bytes_ / kParts) {
      // What it has stays dated as it is; what comes from here on, and is older, is another part.
      const Generation first = std::exchange(part->second.first, Generation{since.value + 1});
      part = parts_.emplace_hint(part, since, Part{first, 0, {}});
    }
    part->second.bytes += bytes;
    part->second.by_chunk[chunk.value] += bytes;
    bytes_ += bytes;
    if (parts_.size() > 4 * kParts) join_small_ones();
  }

  // visit(the last generation of a part, its ByChunk), oldest first.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const auto& [last, part] : parts_) visit(last, part.by_chunk);
  }
  std::size_t parts() const { return parts_.size(); }

 private:
  struct Part {
    Generation first;
    std::uint64_t bytes = 0;
    ByChunk by_chunk;
  };

  // Of two that stay neighbours, both together have more than a part of the whole: so there are 2 * kParts at most.
  void join_small_ones() {
    for (auto part = parts_.begin(); std::next(part) != parts_.end();) {
      const auto next = std::next(part);
      if (part->second.bytes + next->second.bytes <= bytes_ / kParts) {
        next->second.first = part->second.first;
        next->second.bytes += part->second.bytes;
        for (const auto& [chunk, bytes] : part->second.by_chunk) next->second.by_chunk[chunk] += bytes;
        parts_.erase(part);
      }
      part = next;
    }
  }

  std::map<Generation, Part> parts_;  // by their last generation
  std::uint64_t bytes_ = 0;
};

}  // namespace bifrost
