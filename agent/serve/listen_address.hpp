// listen_address.hpp - where the agent answers HTTP: "127.0.0.1:9464", "[::1]:9464", "0.0.0.0:9464", or nowhere
// ("off").
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace bifrost::agent {

struct ListenAddress {
  sockaddr_storage address{};
};

// Nothing for "off". Numbers only: a name could mean another interface tomorrow. Port 0: whatever is free.
// Errors: kInvalidArgument.
Result<std::optional<ListenAddress>> parse_listen_address(std::string_view text);

// "127.0.0.1:9464".
std::string to_text(const sockaddr_storage& address);
// Without the port and brackets.
std::string host_of(const sockaddr_storage& address);

}  // namespace bifrost::agent
