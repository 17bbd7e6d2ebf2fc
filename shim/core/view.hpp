// view.hpp - what one lookup may rely on. Immutable and shared: a lookup keeps its view whole while another thread
// moves the process on.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/reader/segment.hpp"
#include "shim/core/authority.hpp"
#include "shim/core/scope.hpp"
#include "shim/core/settled_names.hpp"
#include "shim/core/shared_execution.hpp"

namespace bifrost {

struct View {
  Authority authority = Authority::kRedis;
  std::shared_ptr<const Segment> segment;  // null: none could be attached
  Snapshot snapshot;                       // of `segment`
  BootTime holds_through;                  // every write that Redis had acknowledged by then is in `snapshot`
  bool leased = false;                     // and somebody vouched for it when it was taken
  bool complete = false;                   // as the agent said when the snapshot was taken
  bool deploying = false;                  // the agent held a deploy back when the execution began
  bool pinned = false;                     // of an execution: stays until it ends
  BootTime pinned_at;
  // Of an execution, shared by the views that it goes through and by the processes that it forks.
  std::shared_ptr<SharedExecution> execution;
  SharedExecution::Place place;  // of this process in it
  Scope scope;
  // Of an execution, shared by the views that it goes through: what the platform's store has said of names. Null when
  // there is nobody to ask.
  std::shared_ptr<SettledNames> settled;
  std::string why_not_mirror;  // unless kMirror: one clause
  std::string why_not_redis;   // when kStale: one clause
  std::string why_refused;     // why imports of this execution must fail; "" otherwise

  // What Redis or a fallback says is as it is now: nobody can tell whether it was so when other modules were read.
  void takes_what_is_newest() const {
    if (execution != nullptr) execution->tear();
  }

  // Its newest snapshot. The order matters: first what the segment is in sync with, then the snapshot that holds it.
  void look_at(std::shared_ptr<const Segment> newest) {
    segment = std::move(newest);
    if (segment == nullptr) return;
    holds_through = segment->shown_through();
    snapshot = segment->snapshot();
    complete = segment->complete(snapshot.generation());
  }

  // Another store has other generations, whatever their numbers.
  bool is_of_store(const View& other) const {
    return segment && other.segment && segment->chunks().source() == other.segment->chunks().source();
  }
  bool shows_what(const View& other) const { return is_of_store(other) && generation() == other.generation(); }

  Generation generation() const { return segment ? snapshot.generation() : Generation{}; }
};

}  // namespace bifrost
