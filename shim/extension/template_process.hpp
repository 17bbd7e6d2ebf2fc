// template_process.hpp - what processes that are forked for executions, and those that they are forked from, need
// beyond the hook: bindings of HeldCode, ImportLog, and the tie to the process that started this one. For
// bifrost_cache.zygote.
#pragma once

#include <pybind11/pybind11.h>

namespace bifrost {

void bind_template_process(pybind11::module_& m);

}  // namespace bifrost
