#include "common/control/control_address.hpp"

#include <sys/socket.h>

#include <cstring>

namespace bifrost::control {

Result<sockaddr_un> address_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalidArgument, path + " is too long for a socket: choose a shorter segment directory"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace bifrost::control
