// pending_paths.hpp - what a queue has handed out, as tests compare it.
#pragma once

#include <string>
#include <vector>

#include "agent/follow/refresh_queue.hpp"

namespace bifrost::agent {

inline std::vector<std::string> paths(const std::vector<PendingPath>& batch) {
  std::vector<std::string> names;
  for (const PendingPath& p : batch) names.push_back(p.path.text());
  return names;
}

}  // namespace bifrost::agent
