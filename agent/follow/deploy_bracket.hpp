// deploy_bracket.hpp - is a deploy going on that must not be seen half done?
//
// Writers who cannot use one MULTI set a key first and delete it last. While it exists no new generation is published.
// Every batch of re-reads asks for it first, and a marked one in its transaction, so that what is known belongs to the
// state that is committed. It ends with the
// key, and after kPatience whatever the key's time to live. Pure: time is an input. One thread.
#pragma once

#include <chrono>
#include <optional>

#include "common/base/clock.hpp"

namespace bifrost::agent {

class DeployBracket {
 public:
  static constexpr std::chrono::minutes kPatience{10};

  enum class Change { kNone, kBegun, kEnded };
  // What the newest batch found at `now`.
  Change seen(bool exists, BootTime now) {
    if (exists == begun_.has_value()) return Change::kNone;
    begun_ = exists ? std::optional(now) : std::nullopt;
    overdue_ = false;
    return exists ? Change::kBegun : Change::kEnded;
  }

  // True once, when patience has ended.
  bool becomes_overdue(BootTime now) {
    if (!begun_ || overdue_ || now.since(*begun_) <= kPatience) return false;
    return overdue_ = true;
  }

  // New generations wait.
  bool holds() const { return begun_.has_value() && !overdue_; }
  // The key exists, overdue or not.
  bool exists() const { return begun_.has_value(); }

 private:
  std::optional<BootTime> begun_;
  bool overdue_ = false;
};

}  // namespace bifrost::agent
