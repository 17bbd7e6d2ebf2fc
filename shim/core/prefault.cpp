#include "shim/core/prefault.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // of Linux 5.14; Debian 12's headers have it
#endif

namespace bifrost {
namespace {

constexpr std::size_t kMostRanges = 65'536;
constexpr std::uint64_t kStepBytes = 1 << 20;
// A longer range is a reservation, and looking through it would take longer than copying what is in it saves.
constexpr std::uint64_t kLongestRange = 1 << 30;
constexpr int kMostSteps = 65'536;
// Documented in the kernel's pagemap.rst: the page is in memory.
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;

struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};

// As proc(5) has them: "begin-end rw-p ...". Stacks grow by themselves, and are short.
std::vector<Range> private_writable_ranges() {
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (ranges.size() < kMostRanges && std::getline(maps, line)) {
    Range range{};
    std::array<char, 5> rights{};
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &range.begin, &range.end, rights.data()) != 3) break;
    const bool is_memory = range.end - range.begin <= kLongestRange && line.find("[stack") == std::string::npos;
    if (is_memory && std::string_view(rights.data()) == "rw-p") ranges.push_back(range);
  }
  return ranges;
}

bool is_readable(int fd) {
  pollfd asked{fd, POLLIN, 0};
  return ::poll(&asked, 1, 0) != 0;
}

class Prefault {
 public:
  Prefault() : pagemap_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) {}

  // Of these at most kStepBytes.
  void copy(Range step) {
    std::array<std::uint64_t, kStepBytes / 4096> pages;
    const std::size_t count = (step.end - step.begin) / page_bytes_;
    const auto wanted = static_cast<ssize_t>(count * sizeof(pages[0]));
    const auto place = static_cast<off_t>(step.begin / page_bytes_ * sizeof(pages[0]));
    if (::pread(pagemap_.get(), pages.data(), static_cast<std::size_t>(wanted), place) != wanted) return;
    for (std::size_t first = 0; first < count;) {
      std::size_t last = first;
      while (last < count && (pages[last] & kPresent) != 0) ++last;
      if (last > first) copy_run(step.begin + first * page_bytes_, (last - first) * page_bytes_);
      first = std::max(last, first + 1);
    }
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  void copy_run(std::uint64_t begin, std::uint64_t length) {
    // The address is the kernel's own word for where this process' page is.
    void* address = reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr)
    if (::madvise(address, length, MADV_POPULATE_WRITE) == 0) bytes_ += length;
  }

  const UniqueFd pagemap_;
  const std::uint64_t page_bytes_ = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::uint64_t prefault(std::uint64_t most_bytes, int until) {
  Prefault prefault;
  int steps = 0;
  for (const Range& range : private_writable_ranges()) {
    for (std::uint64_t at = range.begin; at < range.end; at += kStepBytes) {
      if (prefault.bytes() >= most_bytes || ++steps > kMostSteps || is_readable(until)) return prefault.bytes();
      prefault.copy({at, std::min(at + kStepBytes, range.end)});
    }
  }
  return prefault.bytes();
}

}  // namespace bifrost
