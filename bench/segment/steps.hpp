// steps.hpp - how many slots and record headers lookups look at.
#pragma once

#include <cstdint>

#include "stores.hpp"

namespace bifrost::bench {

struct Steps {
  double mean_slots = 0;
  double mean_headers = 0;
  std::uint64_t most_slots = 0;
  std::uint64_t most_headers = 0;
};

// Of one lookup for each question, at the newest generation.
Steps steps_of(const Segment& segment, const Questions& questions);

}  // namespace bifrost::bench
