// doctor.hpp - what doctor looks at: each part of the node gives findings, each finding says what to do.
#pragma once

#include <string>
#include <vector>

#include "tools/cachectl/command.hpp"

namespace bifrost::cachectl {

struct Diagnosis {
  enum class Grade { kGood, kNote, kBad };
  Grade grade;
  std::string part;    // "segment directory", "redis", ...
  std::string what;    // one sentence without a full stop
  std::string advice;  // a command or a setting; "" when there is nothing to do
};
using Diagnoses = std::vector<Diagnosis>;

// Owner, mode, file system, space.
void examine_directory(Context& context, Diagnoses& out);
// Trust, layout, health; the agent's socket and version.
void examine_mirror(Context& context, Diagnoses& out);
// Connection, version, role, eviction policy, notifications, and every right that the agent needs.
void examine_redis(Context& context, Diagnoses& out);
// Interpreters: tag, package, shared code, hook at start-up, and names that workspace and interpreter both have. With
// none named, `python3` is looked at, and what it lacks is only noted.
void examine_python(Context& context, const std::vector<std::string>& named, Diagnoses& out);

}  // namespace bifrost::cachectl
