// seed.hpp - what the agent before left behind, taken over record by record.
//
// Recovery is binary: an old segment is never repaired. Its newest generation is read as any worker would read it, each
// record's checksum is verified, and what holds goes into the new segment; what does not is left for Redis to supply.
#pragma once

#include <cstdint>
#include <string>

#include "agent/mirror/mirror.hpp"
#include "common/layout/segment_layout.hpp"
#include "common/reader/segment.hpp"

namespace bifrost::agent {

struct Seeded {
  std::uint64_t modules = 0;
  std::uint64_t damaged = 0;
  std::uint64_t refused = 0;  // under paths that no module can have: the agent before was an older one
  std::uint64_t code = 0;     // compiled variants
};

// `writer` is the mirror's. Stages into it; commits nothing.
Seeded seed_from(const Segment& old, Mirror& mirror, SegmentWriter& writer);

}  // namespace bifrost::agent
