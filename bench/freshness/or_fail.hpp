// or_fail.hpp - in a bench, whatever goes wrong ends the program with one line.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "common/base/result.hpp"

namespace bifrost::bench {

[[noreturn]] inline void fail(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
T or_fail(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(*result);
}

inline void or_fail(const Status& status) {
  if (!status) fail(status.error().message);
}

}  // namespace bifrost::bench
