// slot_witness.hpp - how to tell later, by a few words of the root, that a lookup would answer the same.
//
// A lookup is decided by the slots that it probes and by the version that the last of them leads to. While a slot holds
// the same word, its key has the same newest version in the same place (addresses are never used twice), and a slot
// that was never used still means that nothing lies beyond it. So: the same words, the same answer, at this snapshot's
// generation and at every later one. The reverse does not hold: a record that was moved, or a neighbour that changed,
// costs another lookup. Concurrency: const reads of a mapped root, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/layout/key_hash.hpp"
#include "common/layout/record_layout.hpp"
#include "common/layout/segment_layout.hpp"
#include "common/reader/snapshot.hpp"

namespace bifrost {

struct SlotWitness {
  SlotNumber slot;
  layout::Word word = 0;
};

// More slots than this are not worth comparing.
inline constexpr std::uint64_t kMaxWitnessedSlots = 32;

// The slots that decide about the key with this hash, after `snapshot` has answered with the record at `hit` (0: a
// miss). False, and `to` is of no use, when more than the slots decides: an older version than the newest was found, or
// what the slots say has changed since.
template <class Memory, class Snapshot>
bool witness_slots(const Memory& memory, const Snapshot& snapshot, layout::KeyHash hash, Address hit,
                   std::vector<SlotWitness>& to) {
  const layout::Regions& regions = memory.regions();
  SlotNumber slot = hash.first_slot(regions.slot_count);
  for (std::uint64_t probe = 0; probe < kMaxWitnessedSlots; ++probe) {
    // SYNC slot-publish (acquire): pairs with Publication::publish_slot (release).
    const layout::Word word = memory.root().acquire(regions.slot_offset(slot));
    to.push_back({slot, word});
    if (word == 0) return hit.value == 0;
    if (layout::slot_fingerprint(word) == hash.fingerprint() && !layout::slot_dropped(word)) {
      const Address newest = layout::slot_record(word, memory.chunk_base());
      if (hit.value != 0 && newest.value == hit.value) return true;
      // This key's, with a version that the snapshot does not see yet: it will be seen without the word changing.
      const Found there = snapshot.at_address(newest);
      if (there.status != Lookup::kHit || there.record.created > snapshot.generation()) return false;
    }
    slot.value = (slot.value + 1) & (regions.slot_count - 1);
  }
  return false;
}

// Whether all of them still hold their words.
template <class Memory>
bool still_as_witnessed(const Memory& memory, const std::vector<SlotWitness>& witnessed) {
  for (const SlotWitness& seen : witnessed) {
    // SYNC slot-publish (acquire), as above.
    if (memory.root().acquire(memory.regions().slot_offset(seen.slot)) != seen.word) return false;
  }
  return true;
}

}  // namespace bifrost
