// mirror_view.hpp - the segment that this process has attached, and its replacement when the agent publishes another.
//
// A segment once attached is kept until a better one is: a process that can attach nothing new goes on reading the last
// known good. Never waits; costs a stat(2) where said, and open plus mmap when there is something new.
// Concurrency: any thread; its mutex is held only across those system calls.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "common/reader/segment.hpp"
#include "shim/core/shim_counters.hpp"
#include "shim/core/view.hpp"

namespace bifrost {

class MirrorView {
 public:
  MirrorView(std::string dir, Trust trust, ShimCounters& counters)
      : dir_(std::move(dir)), trust_(trust), counters_(counters) {}

  // The attached segment; null when none has been attached yet. Looks for its successor only when it is retired.
  std::shared_ptr<const Segment> segment();

  // The same, after looking (stat) whether the name means another file by now. Once not null, never null again.
  std::shared_ptr<const Segment> newest_segment();

  // `view` at the newest snapshot there is; as it was when no segment was ever attached.
  View at_newest(View view);

  // Why the newest segment is not attached, as one clause; "" when it is.
  std::string attach_error();

  const std::string& dir() const { return dir_; }

  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

 private:
  void attach();

  const std::string dir_;
  const Trust trust_;
  ShimCounters& counters_;
  std::mutex mutex_;
  std::shared_ptr<const Segment> segment_;
  std::string attach_error_ = "no segment was looked for yet";
};

}  // namespace bifrost
