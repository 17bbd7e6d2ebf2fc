// control_protocol.hpp - the language of the agent's control socket.
//
// Its specification, with every request and answer: docs/control-protocol.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "common/base/clock.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

struct FenceAnswer {
  Generation generation;    // a generation that holds every write acknowledged before the request
  BootTime synced_through;  // not earlier than the request
};

}  // namespace bifrost

namespace bifrost::control {

inline constexpr std::string_view kFence = "fence";
inline constexpr std::string_view kSync = "sync";
inline constexpr std::string_view kSyncPrune = "sync prune";
inline constexpr std::string_view kPing = "ping";
inline constexpr std::string_view kState = "state";
inline constexpr std::string_view kNotCompiled = "not_compiled";
inline constexpr std::string_view kConfig = "config";
inline constexpr std::string_view kEvents = "events ";         // and a number
inline constexpr std::size_t kMaxLineBytes = 512;              // of a request, and of an answer of pairs
inline constexpr std::size_t kMaxDocumentBytes = 4u << 20;     // of an answer that is a document
inline constexpr std::chrono::seconds kLongestEventsWait{10};  // then `events` is answered without any

}  // namespace bifrost::control
