// confirmation.hpp - asks before something is destroyed, but only a person: scripts have said what they want.
#pragma once

#include <string_view>

#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

// True without asking with --yes, or when stdin or stderr is no terminal.
bool confirmed(const Context& context, std::string_view question);

}  // namespace bifrost::cachectl
