// last_reads.hpp - when Redis last told this process something, by which it never goes back in time ("source switch" in
// docs/consistency.md). Known for as long as the process lives, whatever its settings. Any thread, and forks.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/clock.hpp"
#include "common/base/module_path.hpp"
#include "common/layout/segment_layout.hpp"
#include "shim/core/at_fork.hpp"

namespace bifrost {

class LastReads final : public AtFork {
 public:
  LastReads() { watch_forks(); }
  ~LastReads() { leave_forks(); }

  struct Times {
    BootTime all;  // 0: it never did
    // Those that no mirror stood beside. What a deploy holds back in the mirror, these have told.
    BootTime without_mirror;
    // The others, about modules that this generation, the newest then, does not have. A later one may have them in a
    // version from before the deploy.
    BootTime beside_mirror;
    Generation generation;
  };
  Times times() const {
    const Generation generation{generation_.load()};  // first: what was read beside it is known by then
    return {{all_.load()}, {without_mirror_.load()}, {beside_mirror_.load()}, generation};
  }

  void note(BootTime now) { raise(all_, now.ns); }
  // What the newest was.
  void note_without_mirror() { raise(without_mirror_, all_.load()); }
  void note_beside(Generation newest) {
    if (generation_.load() != newest.value) {
      raise(without_mirror_, beside_mirror_.load());
      generation_.store(newest.value);
    }
    raise(beside_mirror_, all_.load());
  }

  // Redis answered with a value of `path`.
  void note_value(ModulePathView path, BootTime now) {
    const std::lock_guard lock(mutex_);
    values_.insert_or_assign(ModulePath(path), now);
  }
  // When it last did; 0 when it never did.
  BootTime last_value_of(ModulePathView path) const {
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(path);
    return found == values_.end() ? BootTime{} : found->second;
  }
  // The same of anything below a directory. Cost: a look at each path that this process has had from Redis.
  BootTime last_value_below(std::string_view directory) const {
    const std::string prefix = std::string(directory) + "/";
    const std::lock_guard lock(mutex_);
    BootTime last;
    for (const auto& [path, when] : values_) {
      if (path.text().starts_with(prefix)) last = std::max(last, when);
    }
    return last;
  }

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override { mutex_.unlock(); }

 private:
  static void raise(std::atomic<std::uint64_t>& time, std::uint64_t to) {
    std::uint64_t seen = time.load();
    while (seen < to && !time.compare_exchange_weak(seen, to)) continue;
  }

  std::atomic<std::uint64_t> all_{0};
  std::atomic<std::uint64_t> without_mirror_{0};
  std::atomic<std::uint64_t> beside_mirror_{0};
  std::atomic<std::uint64_t> generation_{0};

  mutable std::mutex mutex_;
  // As many as this process has imported from Redis.
  std::unordered_map<ModulePath, BootTime, ModulePathHash, ModulePathEqual> values_;
};

}  // namespace bifrost
