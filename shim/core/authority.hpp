// authority.hpp - whose word a lookup takes.
#pragma once

namespace bifrost {

enum class Authority {
  kMirror,  // the snapshot's hits are answers, and its misses too when it is complete
  kRedis,   // Redis is asked; a segment, if any, is the last resort
  kStale,   // Redis could not be reached when this was decided: the snapshot is the last known good
};

// The names that Execution.source and stats() show.
constexpr const char* name_of(Authority authority) {
  switch (authority) {
    case Authority::kMirror: return "shm";
    case Authority::kRedis: return "redis";
    case Authority::kStale: return "stale";
  }
  return "redis";
}

}  // namespace bifrost
