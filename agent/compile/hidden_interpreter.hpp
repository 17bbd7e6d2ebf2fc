// hidden_interpreter.hpp - why an interpreter that a person can run cannot be run by this service.
#pragma once

#include <string>

namespace bifrost::agent {

// The directory that hides `interpreter`, or a link on the way to it, from this process: /home, /root or /run/user,
// when they are there and may not be entered or are empty, as systemd's ProtectHome leaves them. "" when none does.
std::string hidden_behind(const std::string& interpreter);

}  // namespace bifrost::agent
