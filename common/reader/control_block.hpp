// control_block.hpp - the words of the control block that readers decide on.
//
// Concurrency: as snapshot.hpp; each function is one load. A template over the words, like the snapshot: the model
// checker (tests/model) runs this very code.
#pragma once

#include <algorithm>

#include "common/base/clock.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

inline bool is_lease(BootTime until, BootTime now, std::chrono::milliseconds lease) {
  return now < until && std::chrono::floor<std::chrono::milliseconds>(until.since(now)) <= lease;
}

template <class Words>
class BasicControlBlock {
 public:
  explicit BasicControlBlock(Words words) : words_(words) {}

  // A successor has the name.
  bool retired() const {
    // SYNC retired (acquire): pairs with Publication::retire (release). Who sees it finds the successor.
    return words_.acquire(layout::control::kRetired) != 0;
  }

  BootTime synced_through() const {
    // SYNC synced-through (acquire): pairs with Publication::publish_sync (release). Whoever sees this time and
    // then takes a snapshot sees every write that Redis acknowledged before it.
    return {words_.acquire(layout::control::kSyncedThroughNs)};
  }
  // The same, also while a deploy holds writes back: who then takes a snapshot sees every write from before it.
  BootTime shown_through() const {
    const BootTime synced = synced_through();
    // SYNC held-since (acquire): pairs with Publication::publish_sync (release). Who sees a time of synchronisation
    // finds what is held back at that time; who finds that nothing is, and then takes a snapshot, sees it.
    const BootTime held{words_.acquire(layout::control::kHeldSinceNs)};
    return held.ns == 0 ? synced : std::min(synced, held);
  }
  // `lease`: the longest that the agent gives. A time further away is none that this boot's clock will reach in order.
  bool lease_valid(BootTime now, std::chrono::milliseconds lease) const {
    // SYNC synced-through (acquire): who finds this lease also finds the time that it is based on.
    const BootTime until{words_.acquire(layout::control::kLeaseUntilNs)};
    return is_lease(until, now, lease);
  }

  // Whether a miss at generation `g` means "not in Redis": g holds a full synchronisation, and all that came after it
  // has found room. Ask after reading g. Relaxed: a generation that lacks something is published after that was shown.
  bool complete(Generation g) const { return layout::is_complete_since(words_.relaxed(layout::control::kComplete), g); }

  // A deploy holds generations back. Relaxed: recent on its own, no decision about data rests on it.
  bool deploying() const { return words_.relaxed(layout::control::kDeployingSinceMs) != 0; }

 private:
  Words words_;
};

}  // namespace bifrost
