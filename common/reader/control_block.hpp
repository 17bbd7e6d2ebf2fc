// control_block.hpp - the words of the control block that readers decide on.
//
// Concurrency: as snapshot.hpp; each function is one load. A template over the words, like the snapshot: the model
// checker (tests/model) runs this very code.
#pragma once

#include "common/base/clock.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

template <class Words>
class BasicControlBlock {
 public:
  explicit BasicControlBlock(Words words) : words_(words) {}

  // A successor has the name.
  bool retired() const {
    // SYNC retired (acquire): pairs with BasicPublication::retire (release). Who sees it finds the successor.
    return words_.acquire(layout::control::kRetired) != 0;
  }

  BootTime synced_through() const {
    // SYNC synced-through (acquire): pairs with BasicPublication::publish_sync (release). Whoever sees this time and
    // then takes a snapshot sees every write that Redis acknowledged before it.
    return {words_.acquire(layout::control::kSyncedThroughNs)};
  }
  bool lease_valid(BootTime now) const {
    // SYNC synced-through (acquire): who finds this lease also finds the time that it is based on.
    return now.ns < words_.acquire(layout::control::kLeaseUntilNs);
  }

  // A full synchronisation has been committed: a miss means "not in Redis".
  bool complete() const {
    // SYNC complete (acquire): pairs with BasicPublication::show_complete (release). Whoever sees it and then takes a
    // snapshot sees what made it true.
    return words_.acquire(layout::control::kComplete) != 0;
  }

 private:
  Words words_;
};

}  // namespace bifrost
