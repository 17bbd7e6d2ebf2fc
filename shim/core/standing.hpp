// standing.hpp - what tells that nothing this process has taken from the mirror has changed, in memory of its own.
//
// A few words per module, side by side, and the same words in the root: a child of a fork compares them without
// touching a module, a string or anything else that its parent has written, where each touch would copy a page. Plain
// data; its owner locks.
#pragma once

#include <memory>
#include <vector>

#include "common/reader/segment.hpp"
#include "common/reader/slot_witness.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class Standing {
 public:
  Standing() = default;
  // As `view` has it, for what was taken up to `version` of the loaded modules.
  Standing(const View& view, std::uint64_t version, std::vector<SlotWitness> witnessed);

  // Whether `view` says of everything what it said then. False: perhaps not.
  bool holds_in(const View& view, std::uint64_t version) const;

 private:
  std::shared_ptr<const Segment> segment_;  // null: nothing is known
  Generation generation_;
  std::uint64_t version_ = 0;
  std::vector<SlotWitness> witnessed_;
};

// Whether a view's answers are the segment's alone, so that its words can witness them.
bool speaks_for_itself(const View& view);

}  // namespace bifrost
