// observation.hpp - what Redis says about one path, as a re-read reports it and Mirror applies it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/mirror/retention.hpp"
#include "common/base/module_path.hpp"

namespace bifrost::agent {

// What Redis says about one path.
struct Observation {
  enum class Kind {
    kValue,
    kVanished,
    kWrongType,
    kTooBig,
    kEmpty,     // no value or an empty one: ask with presence
    kLonger,    // than was asked for: measure it
    kMeasured,  // size_bytes is known: read it
  };

  Kind kind = Kind::kVanished;
  ModulePathView path;
  std::string_view value = {};  // kValue: points into the reply
  IndexEntry index = IndexEntry::kUnknown;
  bool explicitly_deleted = false;
  std::uint64_t size_bytes = 0;  // kMeasured
  std::optional<std::chrono::milliseconds> ttl = {};
};

}  // namespace bifrost::agent
