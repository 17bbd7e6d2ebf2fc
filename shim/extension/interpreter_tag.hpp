// interpreter_tag.hpp - which compiled code this interpreter may run.
#pragma once

#include "common/layout/code_tag.hpp"

namespace bifrost {

// Cache tag, magic number and optimisation level of this process; empty when the interpreter has no cache tag, and then
// nothing is compiled for it. Constant for the process. Call with the GIL held.
const CodeTag& interpreter_tag();

}  // namespace bifrost
