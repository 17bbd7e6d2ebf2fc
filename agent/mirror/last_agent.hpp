// last_agent.hpp - what an agent leaves to the next one in the lock file, beside the segment: which Redis it was in
// sync with, and a generation that it has not reached.
//
// The segment says both better, as long as it is there. The lock file survives its loss, so that generations rise for
// ever and a loss of data is told from deletions.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/unique_fd.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost::agent {

struct LastAgent {
  std::string run_id;        // "" when it is not known
  std::uint64_t server = 0;  // stands for the URL of that Redis; 0 when it is not known
  Generation ceiling;        // at or above every generation published so far
};

LastAgent read_last_agent(const UniqueFd& lock);
// False when it could not be written: that costs the next agent what it could have known, no more.
bool keep_for_next_agent(const UniqueFd& lock, const LastAgent& last);

}  // namespace bifrost::agent
