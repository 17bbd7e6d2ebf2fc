// control_address.hpp - where the agent of a node listens.
#pragma once

#include <sys/un.h>

#include <string>

#include "common/base/result.hpp"

namespace bifrost::control {

// The address of the control socket at `path`. Errors: kInvalidArgument (a path is too long for a socket at 108 bytes).
Result<sockaddr_un> address_at(const std::string& path);

}  // namespace bifrost::control
