// extent_allocator.hpp - which parts of the heap are free. Kept in the agent's own memory.
//
// Nothing about allocation is stored in the segment: a reader needs none of it, a hostile byte cannot confuse it, and a
// new agent builds a new segment anyway. Best fit over coalesced extents; O(log n) each. One thread.
// (A1) Free extents never touch or overlap: neighbours are merged at once.
// (A2) Every extent is a multiple of kGrain and starts on one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace bifrost {

class ExtentAllocator {
 public:
  static constexpr std::uint64_t kGrain = 16;

  ExtentAllocator() = default;
  ExtentAllocator(std::uint64_t begin, std::uint64_t end);

  static constexpr std::uint64_t rounded(std::uint64_t bytes) { return (bytes + kGrain - 1) / kGrain * kGrain; }

  // The offset of `bytes` (rounded up) free bytes, or nothing when no extent is large enough.
  std::optional<std::uint64_t> allocate(std::uint64_t bytes);
  // Gives back what allocate(bytes) returned.
  void release(std::uint64_t offset, std::uint64_t bytes);

  std::uint64_t free_bytes() const { return free_bytes_; }
  std::uint64_t largest_free() const { return by_size_.empty() ? 0 : by_size_.rbegin()->first; }

 private:
  using BySize = std::set<std::pair<std::uint64_t, std::uint64_t>>;  // (bytes, offset)

  void insert(std::uint64_t offset, std::uint64_t bytes);
  void erase(std::map<std::uint64_t, std::uint64_t>::iterator it);

  std::map<std::uint64_t, std::uint64_t> by_offset_;  // offset -> bytes
  BySize by_size_;
  std::uint64_t free_bytes_ = 0;
};

}  // namespace bifrost
