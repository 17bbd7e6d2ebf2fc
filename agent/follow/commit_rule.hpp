// commit_rule.hpp - when staged changes become visible, how fresh the mirror then is, and when a fence is needed.
//
// Hears with times and positions what happens on both connections, and is asked three questions: commit now? in sync
// through which moment? send a fence now? Pure: no clock, no Redis, no segment. One thread.
// (C1) Keys that are written together become visible together: changes are whole at an exact cut (chase.hpp). Where
//      marks are not in force, they are when nothing is left to read and a fence sent after the last re-read has been
//      answered. That re-read may have seen one half of a group whose other half is announced later; had there been
//      such a group, the fence would have brought the announcement.
// (C2) Patience has an end: where the cut is hopeless, or fences decide and no quiet moment comes for kGroupPatience
//      after the first change was staged, they are committed as they are.
// (C3) In sync through t means: a fence sent at t was answered, all that was announced before its answer has been
//      applied, and nothing is staged.
// Reasons: docs/consistency.md section 3.
#pragma once

#include <chrono>
#include <optional>

#include "agent/follow/chase.hpp"
#include "agent/follow/fence_book.hpp"
#include "agent/follow/refresh_queue.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class CommitRule {
 public:
  static constexpr std::chrono::milliseconds kGroupPatience{50};

  enum class Commit {
    kNotNow,
    kWhole,
    kGiveUp,  // groups may be torn
  };
  enum class Fence {
    kNotNow,
    kWanted,  // somebody waits for it: a client, or changes that are not known to be whole
    kHeartbeat,
  };
  // At the moment of a question.
  struct Situation {
    bool staged = false;  // there are changes to commit
    bool quiet = false;   // nothing is to be read, or being read
    Cut cut = Cut::kByFences;
  };

  // A fence is sent at least every `heartbeat`, so that freshness is known although nothing happens.
  explicit CommitRule(std::chrono::nanoseconds heartbeat) : heartbeat_(heartbeat) {}

  // What happens. Times never go back.
  void announced(BootTime at);             // a message about a change arrived
  void applied(BootTime at, bool staged);  // the answers of a batch of re-reads
  void fence_sent(BootTime at) { fences_.sent(at); }
  void fence_answered(StreamPosition at) { fences_.answered(at); }  // `at`: of the last message before
  // All of a synchronisation has been read, or a deploy goes on: what is staged waits for nothing else before `at`.
  void begin_patience(BootTime at, bool staged);
  // Returns when the oldest announcement came that this commit settles, if there was any.
  std::optional<BootTime> committed();

  Commit commit_now(const Situation& is, BootTime now) const;
  // Answers once for each fence that is fulfilled, with the newest of those. `oldest_pending`: of what is to be read.
  std::optional<BootTime> take_synced_through(const Situation& is, StreamPosition oldest_pending);
  // `asked`: a client waits for a fence sent after last_fence().
  Fence fence_now(const Situation& is, bool asked, BootTime now) const;

  std::optional<BootTime> fence_in_flight() const { return fences_.in_flight(); }
  BootTime last_fence() const { return fences_.last_sent(); }  // 0: none yet

 private:
  Commit commit_by_fences(const Situation& is, BootTime now) const;

  std::chrono::nanoseconds heartbeat_;
  FenceBook fences_;
  BootTime last_applied_;
  BootTime announced_since_;  // when the oldest message came that is not settled; 0: none
  BootTime staged_since_;     // when the oldest uncommitted change was staged; 0: none
};

}  // namespace bifrost::agent
