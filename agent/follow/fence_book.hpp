// fence_book.hpp - which fences were sent, answered and fulfilled.
//
// A fence is a PING sent at time t, or two, one after the other (change_stream.hpp); the last PONG arrives at a
// position of the message stream. Once everything up to that position has been applied, the mirror reflects every write
// that was acknowledged before t. Pure. One thread.
#pragma once

#include <deque>
#include <optional>

#include "agent/follow/refresh_queue.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class FenceBook {
 public:
  void sent(BootTime at) {
    in_flight_ = at;
    last_sent_ = at;
  }
  void answered(StreamPosition at) {
    if (!in_flight_) return;
    answered_.push_back({*in_flight_, at});
    last_answered_ = *in_flight_;
    in_flight_.reset();
  }

  std::optional<BootTime> in_flight() const { return in_flight_; }
  BootTime last_sent() const { return last_sent_; }          // 0: none yet
  BootTime last_answered() const { return last_answered_; }  // when the newest answered fence was sent; 0: none yet

  // The newest fence all of whose messages lie before `oldest_pending`; it and its elders are forgotten.
  std::optional<BootTime> take_fulfilled(StreamPosition oldest_pending) {
    std::optional<BootTime> newest;
    while (!answered_.empty() && answered_.front().position < oldest_pending) {
      newest = answered_.front().sent;
      answered_.pop_front();
    }
    return newest;
  }

 private:
  struct Answered {
    BootTime sent;
    StreamPosition position;
  };
  std::optional<BootTime> in_flight_;
  BootTime last_sent_;
  BootTime last_answered_;
  std::deque<Answered> answered_;
};

}  // namespace bifrost::agent
