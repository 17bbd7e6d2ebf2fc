// processes.hpp - reader processes for a while, alone, two of them, or beside a writer at full speed.
#pragma once

#include <cstdint>

#include "stores.hpp"

namespace bifrost::bench {

enum class Writing { kNone, kUniform, kOneHotKey };

enum class Reading {
  kSegment,     // random hits
  kHotKey,      // only the key that Writing::kOneHotKey rewrites
  kOwnCopy,     // kSegment, each reader in a segment that nobody else maps: what is lost here, the machine takes
  kHotOwnCopy,  // kHotKey, likewise
  kArithmetic,  // registers only, no memory: what the machine's processors give at all
};

struct Load {
  int readers = 1;
  Reading reading = Reading::kSegment;
  Writing writing = Writing::kNone;
  auto operator<=>(const Load&) const = default;
};

// What the readers of one run did together. Times are of single lookups (a snapshot and a find), less what reading the
// clock costs; one in 17 of the random ones is measured (so that each question has its turn), every one of the hot key.
struct Readings {
  double lookups_per_second = 0;
  double p50_ns = 0;
  double p99_ns = 0;
  double p999_ns = 0;
  std::uint64_t gone = 0;         // lookups that would have to be done again in another root
  double commits_per_second = 0;  // of the writer
  // Of measured lookups that took more than kSlowNs: all, and those in which a page was mapped (ru_minflt).
  std::uint64_t measured = 0;
  std::uint64_t slow = 0;
  std::uint64_t slow_by_fault = 0;
};

inline constexpr std::uint64_t kSlowNs = 1000;

// Forks the readers of `load`, and has this process write meanwhile. Cost: `milliseconds`.
Readings read_for(Stores& stores, const Load& load, int milliseconds);

}  // namespace bifrost::bench
