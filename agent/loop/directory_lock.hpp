// directory_lock.hpp - one agent per segment directory, for life.
//
// flock on a file that only the agent can open: the kernel releases it when the agent dies, however it dies. The
// segment itself cannot serve: any reader could lock it.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost::agent {

// Creates the directory (mode 0750) when it does not exist. Errors: kUntrusted (it belongs to somebody else, or anyone
// may write to it), kPermission, kIo.
Status prepare_directory(const std::string& dir);

// Errors: kBusy when another agent has it.
Result<UniqueFd> lock_directory(const std::string& dir);

}  // namespace bifrost::agent
