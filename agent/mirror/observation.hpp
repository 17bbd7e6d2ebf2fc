// observation.hpp - what Redis says about one path, as a re-read reports it and Mirror applies it.
//
// Complete: whatever had to be asked to know it has been asked. A plain value; what it points to belongs to the reply.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "agent/mirror/retention.hpp"
#include "common/base/clock.hpp"
#include "common/base/module_path.hpp"

namespace bifrost::agent {

struct Observation {
  enum class Kind { kValue, kVanished, kWrongType, kTooBig };
  // Where its writer has listed the path.
  enum class Listed {
    kInIndex,      // in the one that there is
    kInLostIndex,  // it was written or read before a loss
    kSomewhere,    // nobody heard of the write
  };

  Kind kind = Kind::kVanished;
  ModulePathView path;
  std::string_view value = {};  // kValue
  IndexEntry index = IndexEntry::kUnknown;
  Listed listed = Listed::kInIndex;
  bool written = false;  // by a writer, as a message said: also when the value is the same
  bool explicitly_deleted = false;
  std::optional<std::chrono::milliseconds> ttl = {};
  BootTime asked = {};  // when; Redis looked at it later
};

}  // namespace bifrost::agent
