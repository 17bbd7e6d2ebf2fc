#include "common/redis/host_addresses.hpp"

#include <sys/socket.h>

#include <algorithm>

namespace bifrost {

std::vector<std::string> addresses_in(const addrinfo* answer) {
  std::vector<std::string> addresses;
  for (const addrinfo* one = answer; one != nullptr && addresses.size() < kMostAddresses; one = one->ai_next) {
    char text[NI_MAXHOST] = "";
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (std::find(addresses.begin(), addresses.end(), text) == addresses.end()) addresses.emplace_back(text);
  }
  return addresses;
}

addrinfo any_stream_address() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  return hints;
}

Result<std::vector<std::string>> addresses_of(const std::string& host) {
  const addrinfo hints = any_stream_address();
  addrinfo* answer = nullptr;
  const int err = ::getaddrinfo(host.c_str(), nullptr, &hints, &answer);
  if (err != 0) return Error{ErrorCode::kUnreachable, ::gai_strerror(err)};
  auto addresses = addresses_in(answer);
  ::freeaddrinfo(answer);
  if (addresses.empty()) return Error{ErrorCode::kUnreachable, "no address"};
  return addresses;
}

}  // namespace bifrost
