// unix_time.hpp - the time of day, for people: what is decided goes by boot_now().
#pragma once

#include <chrono>
#include <cstdint>

namespace bifrost::agent {

inline std::uint64_t unix_ms() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
}

}  // namespace bifrost::agent
