// expiry_clock.hpp - when keys are due to expire, for `--on-expiry drop`.
//
// Redis announces an expiry when it gets to it, which may be late, and a replica not at all. A read of an expired key
// finds nothing from the first moment on, so reading again at the deadline is enough. Pure. One thread.
#pragma once

#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

#include "common/base/clock.hpp"
#include "common/base/module_path.hpp"

namespace bifrost::agent {

class ExpiryClock {
 public:
  // Replaces the path's earlier deadline.
  void set(ModulePathView path, BootTime deadline) {
    forget(path);
    due_.emplace(deadline, ModulePath(path));
    deadlines_.emplace(ModulePath(path), deadline);
  }

  void forget(ModulePathView path) {
    const auto found = deadlines_.find(path);
    if (found == deadlines_.end()) return;
    due_.erase({found->second, found->first});
    deadlines_.erase(found);
  }

  // Visits and forgets every path whose deadline has passed.
  void take_due(BootTime now, const std::function<void(ModulePathView path)>& visit) {
    while (!due_.empty() && due_.begin()->first <= now) {
      const ModulePath path = due_.begin()->second;
      forget(path);
      visit(path);
    }
  }

 private:
  std::unordered_map<ModulePath, BootTime, ModulePathHash, ModulePathEqual> deadlines_;
  std::set<std::pair<BootTime, ModulePath>> due_;
};

}  // namespace bifrost::agent
