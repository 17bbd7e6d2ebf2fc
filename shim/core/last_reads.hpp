// last_reads.hpp - when Redis last told this process something, by which it never goes back in time ("source switch" in
// docs/consistency.md). Known for as long as the process lives, whatever its settings. Any thread; no locks.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/base/clock.hpp"

namespace bifrost {

class LastReads {
 public:
  struct Times {
    BootTime all;  // 0: it never did
    // Those that no mirror stood beside. What a deploy holds back in the mirror, these have told; others are about
    // modules that the mirror does not have either.
    BootTime without_mirror;
  };
  Times times() const { return {{all_.load()}, {without_mirror_.load()}}; }

  void note(BootTime now) { raise(all_, now.ns); }
  void note_without_mirror() { raise(without_mirror_, all_.load()); }  // the newest was one

 private:
  static void raise(std::atomic<std::uint64_t>& time, std::uint64_t to) {
    std::uint64_t seen = time.load();
    while (seen < to && !time.compare_exchange_weak(seen, to)) continue;
  }

  std::atomic<std::uint64_t> all_{0};
  std::atomic<std::uint64_t> without_mirror_{0};
};

}  // namespace bifrost
