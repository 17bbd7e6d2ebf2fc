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

  Kind kind = Kind::kVanished;
  ModulePathView path;
  std::string_view value = {};  // kValue
  IndexEntry index = IndexEntry::kUnknown;
  bool index_lost = false;  // what the path may have been listed in has been lost since
  bool explicitly_deleted = false;
  std::optional<std::chrono::milliseconds> ttl = {};
  BootTime asked = {};  // when; Redis looked at it later
};

}  // namespace bifrost::agent
