// prefault.hpp - gives a forked process pages of its own before it writes to them.
//
// After fork() each first write to a page costs a fault that copies it. A process that waits for work can have them
// copied meanwhile. Only what is in memory is copied: what the parent reserved and never touched takes no room.
// Concurrency: any thread.
#pragma once

#include <cstdint>

namespace bifrost {

// Copies writable private pages of this process, in order of address, until `most_bytes` or up to a mebibyte more are
// copied, or `until` (a descriptor) has something to read, which is noticed within a mebibyte. Leaves out mappings of
// more than a gibibyte, which are reservations. Returns the bytes: 0 where the kernel cannot (before Linux 5.14) or
// lets nobody look, and then each page is copied when it is written to, as ever. Cost: one to five microseconds per
// page.
std::uint64_t prefault(std::uint64_t most_bytes, int until);

}  // namespace bifrost
