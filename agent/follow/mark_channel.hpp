// mark_channel.hpp - the name of the channel that one session's marks go over.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "common/redis/contract.hpp"

namespace bifrost::agent {

// Of the session alone, so that no agent hears the marks of another.
inline std::string new_mark_channel() {
  std::random_device random;
  std::array<char, 17> name{};
  const std::uint64_t number = (std::uint64_t{random()} << 32) | random();
  std::snprintf(name.data(), name.size(), "%016llx", static_cast<unsigned long long>(number));
  return std::string(contract::kMarkChannels).append(name.data());
}

}  // namespace bifrost::agent
