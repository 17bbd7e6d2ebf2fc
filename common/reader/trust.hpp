// trust.hpp - whose segment files may be executed: root's, one's own, and those of the agent's user.
//
// Who the agent's user is, an administrator says by `agent_uid`, or, without a word, by whom /run/bifrost belongs to:
// nobody but root can have made it.
//
// Read-only by every process that attaches a segment. Why it matters: docs/threat-model.md.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/base/segment_dir.hpp"
#include "common/base/settings.hpp"

namespace bifrost {

struct Trust {
  std::optional<uid_t> agent_uid;  // beside root and oneself
  // Without `agent_uid`: the directory whose owner is trusted for what is in it. Another one only in tests.
  std::string_view appointed_dir = kStandardSegmentDir;
};

// Whether a segment in `dir` that belongs to `owner` may be executed. Never one of the overflow uid in a user
// namespace: that stands for every user without a number there. Makes two system calls when nothing simpler says yes.
bool is_trusted(const Trust& trust, const std::string& dir, uid_t owner);

// What `agent_uid` says: a number, or the name of a user of this machine, which the user database is asked for.
// Error: kInvalidArgument, naming the setting's origin.
Result<Trust> trust_of(const Settings& settings);

}  // namespace bifrost
