// standard_streams.hpp - no standard stream is closed.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace bifrost {

// Opens /dev/null for those that are: what is opened next would take their place, and what is printed would go there.
// First of all in a program. False when that is not possible.
inline bool standard_streams_are_open() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    if (::open("/dev/null", O_RDWR) != fd) return false;
  }
  return true;
}

}  // namespace bifrost
