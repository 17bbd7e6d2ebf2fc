// last_reads.hpp - when Redis last told this process something, by which it never goes back in time ("source switch" in
// docs/consistency.md). Known for as long as the process lives, whatever its settings. Any thread; no locks.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/base/clock.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

class LastReads {
 public:
  struct Times {
    BootTime all;  // 0: it never did
    // Those that no mirror stood beside. What a deploy holds back in the mirror, these have told.
    BootTime without_mirror;
    // The others, about modules that this generation, the newest then, does not have. A later one may have them in a
    // version from before the deploy.
    BootTime beside_mirror;
    Generation generation;
  };
  Times times() const {
    const Generation generation{generation_.load()};  // first: what was read beside it is known by then
    return {{all_.load()}, {without_mirror_.load()}, {beside_mirror_.load()}, generation};
  }

  void note(BootTime now) { raise(all_, now.ns); }
  // What the newest was.
  void note_without_mirror() { raise(without_mirror_, all_.load()); }
  void note_beside(Generation newest) {
    if (generation_.load() != newest.value) {
      raise(without_mirror_, beside_mirror_.load());
      generation_.store(newest.value);
    }
    raise(beside_mirror_, all_.load());
  }

 private:
  static void raise(std::atomic<std::uint64_t>& time, std::uint64_t to) {
    std::uint64_t seen = time.load();
    while (seen < to && !time.compare_exchange_weak(seen, to)) continue;
  }

  std::atomic<std::uint64_t> all_{0};
  std::atomic<std::uint64_t> without_mirror_{0};
  std::atomic<std::uint64_t> beside_mirror_{0};
  std::atomic<std::uint64_t> generation_{0};
};

}  // namespace bifrost
