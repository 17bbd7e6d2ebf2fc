// module_path_input.hpp - one string for ModulePath, and what must hold of the answer whatever the string is.
#pragma once

#include <string>
#include <string_view>

namespace bifrost::fuzz {

// What was wrong with the answer; empty when nothing was.
std::string fault_in_answer_to(std::string_view input);

}  // namespace bifrost::fuzz
