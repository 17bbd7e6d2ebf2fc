// trust.hpp - whose segment files may be executed: root's, one's own, and those of the agent's user.
//
// Read-only by every process that attaches a segment. Why it matters: docs/threat-model.md.
#pragma once

#include <sys/types.h>

#include <optional>

#include "common/base/result.hpp"
#include "common/base/settings.hpp"

namespace bifrost {

struct Trust {
  std::optional<uid_t> agent_uid;  // beside root and oneself
};

// What `agent_uid` says: a number, or the name of a user of this machine, which the user database is asked for.
// Error: kInvalidArgument, naming the setting's origin.
Result<Trust> trust_of(const Settings& settings);

}  // namespace bifrost
