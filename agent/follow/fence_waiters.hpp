// fence_waiters.hpp - who asked for a fence, since when, and whom to tell. Pure but for the callbacks. One thread.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/control/control_protocol.hpp"

namespace bifrost::agent {

class FenceWaiters {
 public:
  using OnFence = std::function<void(Result<FenceAnswer>)>;

  void add(BootTime since, OnFence on_fence) { waiters_.push_back({since, std::move(on_fence)}); }

  // Whether anybody asked after `fence` was sent.
  bool any_after(BootTime fence) const {
    return std::any_of(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return fence < w.since; });
  }

  // Tells everybody who has waited since `since` or longer. They may ask again from inside the callback.
  void answer_up_to(BootTime since, const Result<FenceAnswer>& answer) {
    const auto rest =
        std::stable_partition(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return w.since <= since; });
    std::vector<Waiter> done(std::make_move_iterator(waiters_.begin()), std::make_move_iterator(rest));
    waiters_.erase(waiters_.begin(), rest);
    for (const Waiter& w : done) w.on_fence(answer);
  }

 private:
  struct Waiter {
    BootTime since;
    OnFence on_fence;
  };
  std::vector<Waiter> waiters_;
};

}  // namespace bifrost::agent
