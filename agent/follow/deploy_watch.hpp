// deploy_watch.hpp - a deploy bracket with the clock of this node, the log, and the time to show. One thread, the
// loop's.
#pragma once

#include <cstdint>

#include "agent/follow/deploy_bracket.hpp"

namespace bifrost::agent {

class DeployWatch {
 public:
  // What the newest batch found. Returns whether there is anything new to show.
  bool seen(bool exists);
  // As time passes. Returns true once, when patience has ended.
  bool becomes_overdue();

  bool holds() const { return bracket_.holds(); }
  bool exists() const { return bracket_.exists(); }
  std::uint64_t since_unix_ms() const { return bracket_.holds() ? since_unix_ms_ : 0; }
  // Of one that is no longer waited for; 0: there is none.
  std::uint64_t overdue_since_unix_ms() const { return exists() && !holds() ? since_unix_ms_ : 0; }

 private:
  DeployBracket bracket_;
  std::uint64_t since_unix_ms_ = 0;
};

}  // namespace bifrost::agent
