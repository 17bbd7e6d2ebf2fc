// processes.hpp - reader processes for a while, alone, two of them, or beside a writer at full speed.
#pragma once

#include <cstdint>

#include "stores.hpp"

namespace bifrost::bench {

enum class Writing { kNone, kUniform, kOneHotKey };

// What the readers of one run did together. Times are of single lookups (a snapshot and a find), one in 16 of which is
// measured, less what reading the clock costs.
struct Readings {
  double lookups_per_second = 0;
  double p50_ns = 0;
  double p99_ns = 0;
  double p999_ns = 0;
  std::uint64_t lost = 0;         // snapshots, of all lookups
  double commits_per_second = 0;  // of the writer
};

// Forks `readers` processes, and has this one write meanwhile. Cost: `milliseconds`.
Readings read_for(Stores& stores, int readers, Writing writing, int milliseconds);

}  // namespace bifrost::bench
