// pagemap.hpp - what the kernel says of this process' pages; pagemap.rst of the kernel describes the bits.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "common/base/unique_fd.hpp"

namespace bifrost {

constexpr std::uint64_t kPagePresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kPageExclusive = std::uint64_t{1} << 56;

// How many of the `count` pages from this address on have the bit; more than there are when the kernel does not say.
inline std::uint64_t pages_with(std::uint64_t bit, const void* begin, std::uint64_t count) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::vector<std::uint64_t> entries(count);
  const auto place = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(begin) / page * sizeof entries[0]);
  const auto bytes = static_cast<ssize_t>(count * sizeof entries[0]);
  if (::pread(pagemap.get(), entries.data(), static_cast<std::size_t>(bytes), place) != bytes) {
    ADD_FAILURE() << "/proc/self/pagemap cannot be read";
    return count + 1;
  }
  std::uint64_t found = 0;
  for (const std::uint64_t entry : entries) found += (entry & bit) != 0 ? 1 : 0;
  return found;
}

}  // namespace bifrost
