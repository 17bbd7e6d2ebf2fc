// confirmation.hpp - asks before something is destroyed. Where nobody can be asked, the command line has to say it:
// --yes.
#pragma once

#include <string_view>

#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

// Whether --yes is missing: nobody sits at stdin and stderr. To be asked before anything is done.
bool needs_yes(const Context& context);

// True without asking with --yes, else the answer of the person at the terminal.
bool confirmed(const Context& context, std::string_view question);

}  // namespace bifrost::cachectl
