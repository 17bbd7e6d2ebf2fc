// clock.hpp - the node's one clock.
//
// Leases and deadlines use CLOCK_BOOTTIME: it never jumps when somebody sets the date, and it goes on while the
// machine is suspended, so that a lease cannot outlive a laptop's sleep. All processes of a node share it, which is
// why the segment may hold its readings. Cost: one vDSO call, no system call.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <limits>

namespace bifrost {

// A reading of CLOCK_BOOTTIME, in nanoseconds since the machine started.
struct BootTime {
  std::uint64_t ns = 0;

  auto operator<=>(const BootTime&) const = default;

  BootTime operator+(std::chrono::nanoseconds d) const { return {ns + static_cast<std::uint64_t>(d.count())}; }
  // The time from `earlier` to this reading; negative when `earlier` is the later one.
  std::chrono::nanoseconds since(BootTime earlier) const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(ns - earlier.ns));
  }
};

// Where there is no such clock (a sandbox may forbid it) it is late: then every lease has ended and every wait is over.
inline BootTime boot_now() {
  constexpr BootTime kLate{std::numeric_limits<std::uint64_t>::max() / 2};
  timespec ts{};
  if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0) return kLate;
  return {static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(ts.tv_nsec)};
}

// The instant after which a wait gives up.
class Deadline {
 public:
  explicit Deadline(std::chrono::nanoseconds from_now) : at_(boot_now() + from_now) {}
  static Deadline at(BootTime instant) { return Deadline(instant); }

  BootTime instant() const { return at_; }
  bool passed() const { return boot_now() >= at_; }

  // What poll(2) should wait: milliseconds rounded up, never negative (which would be for ever), 24 days at most.
  int poll_timeout_ms() const {
    const auto left = at_.since(boot_now());
    if (left.count() <= 0) return 0;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max()));
  }

 private:
  explicit Deadline(BootTime at) : at_(at) {}
  BootTime at_;
};

}  // namespace bifrost
