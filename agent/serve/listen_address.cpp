#include "agent/serve/listen_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstdint>
#include <cstring>

namespace bifrost::agent {
namespace {

bool parse_port(std::string_view text, in_port_t& port) {
  std::uint16_t number = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), number);
  port = htons(number);
  return err == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<std::optional<ListenAddress>> parse_listen_address(std::string_view text) {
  if (text == "off") return std::optional<ListenAddress>();
  const Error invalid{ErrorCode::kInvalidArgument,
                      "`" + std::string(text) + "` is not an address: write 127.0.0.1:9464, [::1]:9464 or off"};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return invalid;
  std::string host(text.substr(0, colon));
  ListenAddress listen;
  if (host.front() == '[' && host.back() == ']') {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&listen.address);
    v6->sin6_family = AF_INET6;
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return invalid;
    if (!parse_port(text.substr(colon + 1), v6->sin6_port)) return invalid;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&listen.address);
    v4->sin_family = AF_INET;
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return invalid;
    if (!parse_port(text.substr(colon + 1), v4->sin_port)) return invalid;
  }
  return std::optional<ListenAddress>(listen);
}

std::string host_of(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr, host, sizeof host);
  } else {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr, host, sizeof host);
  }
  return host;
}

std::string to_text(const sockaddr_storage& address) {
  const std::string host = host_of(address);
  if (address.ss_family == AF_INET6) {
    return "[" + host + "]:" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port));
  }
  return host + ":" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port));
}

}  // namespace bifrost::agent
