// path_of.hpp - paths that tests put together at run time. Literals need nothing: they are checked by the compiler.
#pragma once

#include <cstdlib>
#include <string_view>

#include "common/base/module_path.hpp"

namespace bifrost {

inline ModulePath path_of(std::string_view text) {
  auto path = ModulePath::parse(text);
  if (!path) std::abort();  // the test is wrong
  return *path;
}

}  // namespace bifrost
