// exit_code.hpp - what bifrost-cachectl's exit status means. Scripts rely on these numbers: they never change.
#pragma once

#include <array>
#include <string_view>

#include "common/base/result.hpp"

namespace bifrost::cachectl {

enum class ExitCode : int {
  kSuccess = 0,
  kError = 1,
  kUsage = 2,
  kAbsent = 3,  // no segment, or no agent where one is needed
  kNoSuchModule = 4,
  kUnhealthy = 5,    // reachable but not healthy, or `wait` ran out of time
  kDifferences = 6,  // differences or corruption found
  kNotAccepted = 7,  // permission refused, untrusted owner or mode, or another layout version
};

struct ExitCodeInfo {
  ExitCode code;
  std::string_view meaning;
};

// All of them, as help and manual show them.
constexpr std::array<ExitCodeInfo, 8> exit_codes() {
  return {{{ExitCode::kSuccess, "success, healthy, found, identical"},
           {ExitCode::kError, "error"},
           {ExitCode::kUsage, "usage"},
           {ExitCode::kAbsent, "no segment, or no agent where one is needed"},
           {ExitCode::kNoSuchModule, "no such module"},
           {ExitCode::kUnhealthy, "reachable but unhealthy, or wait ran out of time"},
           {ExitCode::kDifferences, "differences or corruption found"},
           {ExitCode::kNotAccepted, "permission refused, untrusted owner or mode, or another layout version"}}};
}

constexpr ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return ExitCode::kAbsent;
    case ErrorCode::kPermission:
    case ErrorCode::kUntrusted:
    case ErrorCode::kIncompatible: return ExitCode::kNotAccepted;
    case ErrorCode::kDamaged: return ExitCode::kDifferences;
    default: return ExitCode::kError;
  }
}

}  // namespace bifrost::cachectl
