// boot_identity.hpp - whose CLOCK_BOOTTIME a reading belongs to.
//
// The clock starts anew with each boot, and a time namespace shifts it. A reading means something only to processes of
// the same boot and namespace.
#pragma once

#include <cstdint>

namespace bifrost {

struct BootIdentity {
  std::uint64_t boot_low = 0;  // /proc/sys/kernel/random/boot_id; 0 and 0: unknown
  std::uint64_t boot_high = 0;
  std::uint64_t time_namespace = 0;  // inode of /proc/self/ns/time; 0: the kernel has none

  bool known() const { return (boot_low | boot_high) != 0; }
  bool same_clock(const BootIdentity& other) const {
    return known() && boot_low == other.boot_low && boot_high == other.boot_high &&
           time_namespace == other.time_namespace;
  }
};

// Of this process. Looked up once; any thread. Cost, the first time: two small reads.
const BootIdentity& boot_identity();

}  // namespace bifrost
