// host_addresses.hpp - the addresses that a host name stands for, as texts.
//
// A name may have several, of which a server need not listen on each: whoever connects tries one after the other.
// `localhost` is ::1 and 127.0.0.1 on most machines. Any thread.
#pragma once

#include <netdb.h>

#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"

namespace bifrost {

// What getaddrinfo answered, in its order, each address once. At most kMostAddresses: each may cost a time-out.
inline constexpr std::size_t kMostAddresses = 8;
std::vector<std::string> addresses_in(const addrinfo* answer);

// What to ask getaddrinfo for.
addrinfo any_stream_address();

// Waits for getaddrinfo until `deadline`. It has time-outs of its own, of many seconds, and cannot be told to end: so
// it runs in a thread, which is left behind when it takes too long. At most kMostLookups of a process are: then nobody
// is asked. Numbers are no names, and need no thread. Never empty. Errors: kUnreachable, kTimeout.
inline constexpr int kMostLookups = 4;
Result<std::vector<std::string>> addresses_of(const std::string& host, const Deadline& deadline);

}  // namespace bifrost
