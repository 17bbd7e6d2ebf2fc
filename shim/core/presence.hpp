// presence.hpp - tells the node's table of workers which generation this process' execution is of.
//
// Nothing depends on it: what cannot be written is left out. Nothing is said again of the same generation within a
// second. Concurrency: any thread. Its words are relaxed, since each is of use alone; of threads that say something at
// the same moment one stands in the table.
#pragma once

#include <atomic>
#include <string>

#include "common/telemetry/presence_file.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class PresenceReport {
 public:
  PresenceReport(std::string dir, bool enabled) : dir_(std::move(dir)), enabled_(enabled) {}

  // An execution goes on with this view. Cost, when there is something to say: four system calls, once per process
  // one more.
  void say(const View& view);
  // At the end of the process.
  void leave();
  void start_anew_in_child() { said_ns_ = 0; }

 private:
  const std::string dir_;
  const bool enabled_;
  std::atomic<std::uint64_t> said_ns_{0};  // 0: nothing yet
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<std::uint64_t> namespace_{0};
};

}  // namespace bifrost
