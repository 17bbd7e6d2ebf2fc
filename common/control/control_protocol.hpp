// control_protocol.hpp - the language of the agent's control socket.
//
// A stream socket; requests and answers are lines of ASCII, and the next request waits for the answer to the last one:
//     fence                 -> ok generation=812 synced_through_ns=5123456789
//     sync                  -> ok                       (accepted: a full synchronisation has been started)
//     sync prune            -> ok                       (and what Redis does not have is dropped afterwards)
//     ping                  -> ok pid=4711
//     anything else         -> error <one sentence>
// `fence` is answered once the segment holds every write that Redis acknowledged before the request arrived, or with
// an error when the agent cannot know. The agent may close a connection behind an answer, or while nothing was asked.
#pragma once

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
inline constexpr std::size_t kMaxLineBytes = 512;

}  // namespace bifrost::control
