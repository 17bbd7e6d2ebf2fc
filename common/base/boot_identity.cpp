#include "common/base/boot_identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/unique_fd.hpp"

namespace bifrost {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

BootIdentity look_up() {
  BootIdentity identity;
  const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  char text[40] = {};
  if (fd.valid() && ::read(fd.get(), text, sizeof text - 1) > 0) {
    for (const char c : text) {
      const int value = hex_value(c);
      if (value < 0) continue;  // dashes
      identity.boot_high = identity.boot_high << 4 | identity.boot_low >> 60;
      identity.boot_low = identity.boot_low << 4 | static_cast<std::uint64_t>(value);
    }
  }
  struct stat st {};
  if (::stat("/proc/self/ns/time", &st) == 0) identity.time_namespace = st.st_ino;
  return identity;
}

}  // namespace

const BootIdentity& boot_identity() {
  static const BootIdentity identity = look_up();
  return identity;
}

}  // namespace bifrost
