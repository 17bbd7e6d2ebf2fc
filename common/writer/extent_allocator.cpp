#include "common/writer/extent_allocator.hpp"

namespace bifrost {

ExtentAllocator::ExtentAllocator(std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t first = rounded(begin);
  const std::uint64_t last = end / kGrain * kGrain;
  if (first < last) insert(first, last - first);
}

std::optional<std::uint64_t> ExtentAllocator::allocate(std::uint64_t bytes) {
  const std::uint64_t need = rounded(bytes);
  const auto fit = by_size_.lower_bound({need, 0});
  if (need == 0 || fit == by_size_.end()) return std::nullopt;
  const auto [have, offset] = *fit;
  erase(by_offset_.find(offset));
  if (have > need) insert(offset + need, have - need);
  return offset;
}

void ExtentAllocator::release(std::uint64_t offset, std::uint64_t bytes) {
  std::uint64_t begin = offset;
  std::uint64_t size = rounded(bytes);
  auto next = by_offset_.lower_bound(begin);
  if (next != by_offset_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      begin = before->first;
      size += before->second;
      erase(before);
    }
  }
  if (next != by_offset_.end() && begin + size == next->first) {
    size += next->second;
    erase(next);
  }
  insert(begin, size);
}

void ExtentAllocator::insert(std::uint64_t offset, std::uint64_t bytes) {
  by_offset_.emplace(offset, bytes);
  by_size_.emplace(bytes, offset);
  free_bytes_ += bytes;
}

void ExtentAllocator::erase(std::map<std::uint64_t, std::uint64_t>::iterator it) {
  free_bytes_ -= it->second;
  by_size_.erase({it->second, it->first});
  by_offset_.erase(it);
}

}  // namespace bifrost
