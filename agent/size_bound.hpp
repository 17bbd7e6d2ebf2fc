// size_bound.hpp - how large the segment may grow when nobody has said so.
//
// Shared memory is charged to the agent: what the file system or its control group cannot hold would end it, or others.
#pragma once

#include <cstdint>
#include <string>

namespace bifrost::agent {

struct SizeBound {
  std::uint64_t bytes = 0;
  std::string why;  // which bound won, a few words
};

// The least of 4 GiB, three quarters of the file system that `segment_dir` is or will be on, and half of the memory
// limit of this process' control group. Reads a handful of small files.
SizeBound default_max_size(const std::string& segment_dir);

}  // namespace bifrost::agent
