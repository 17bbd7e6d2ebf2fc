// last_server.hpp - which Redis the agent before was in sync with, by its run id: kept in the lock file, beside the
// segment that holds what was read there.
#pragma once

#include <string>

#include "common/base/unique_fd.hpp"

namespace bifrost::agent {

// "" when it is not known.
std::string last_server(const UniqueFd& lock);
// A write that fails costs the next agent what it could have known, no more.
void note_last_server(const UniqueFd& lock, const std::string& run_id);

}  // namespace bifrost::agent
