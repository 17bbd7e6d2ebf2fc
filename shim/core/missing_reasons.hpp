// missing_reasons.hpp - which of the ways to be missing it was, for the text of an ImportError.
//
// Looks where no import may look: into other scopes, for the name alone, and at the index in Redis. For an import that
// has failed, never for one that may still be answered. Bounded: kMostSolutions probes of the segment and, where the
// mirror cannot vouch for what is missing, one question to Redis of kPatience. Any thread.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "shim/core/redis_fallback.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class MissingReasons {
 public:
  static constexpr std::size_t kMostSolutions = 1000;
  static constexpr std::chrono::milliseconds kPatience{50};

  MissingReasons(const View& view, RedisFallback& redis) : view_(view), redis_(redis) {}

  // One clause about `name` below `directories`, where nobody has it; "" when it is simply nowhere.
  std::string why_missing(std::span<const std::string> directories, std::string_view name) const;

 private:
  static std::string why_refused(const Scope& scope, std::span<const std::string> directories, std::string_view name);
  std::string why_never_seen(std::span<const std::string> directories, std::string_view name) const;
  std::string why_not_in_this_scope(std::span<const std::string> directories, std::string_view name) const;
  bool mirror_has(std::string_view root, std::string_view below) const;
  bool some_solution_has(std::string_view below) const;

  const View& view_;
  RedisFallback& redis_;
};

}  // namespace bifrost
