// around_wait.hpp - the seam through which the extension gives up the GIL while this process waits for somebody.
//
// The core knows no Python. Every wait (control socket, Redis) runs inside an AroundWait; the extension's one releases
// the GIL first and takes it back afterwards. No mutex of the core is held across it: a thread that holds one may
// therefore be waiting for the GIL never, and a fork, which Python makes under the GIL, never copies a locked mutex.
#pragma once

#include <functional>

namespace bifrost {

using AroundWait = std::function<void(const std::function<void()>&)>;

inline void wait_plainly(const std::function<void()>& wait) {
  wait();
}

}  // namespace bifrost
