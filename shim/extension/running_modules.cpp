#include "shim/extension/running_modules.hpp"

#include <algorithm>
#include <utility>

namespace bifrost {

RunningModules& RunningModules::instance() {
  static auto* const modules = new RunningModules();
  return *modules;
}

RunningModules::Mark::Mark(const PyObject* module, std::string name, std::uint64_t since) {
  RunningModules& all = instance();
  const std::lock_guard lock(all.mutex_);
  run_ = all.runs_.insert(all.runs_.end(), {module, std::move(name), since, std::this_thread::get_id()});
}

RunningModules::Mark::~Mark() {
  RunningModules& all = instance();
  const std::lock_guard lock(all.mutex_);
  all.runs_.erase(run_);
}

bool RunningModules::contains(const PyObject* module) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(runs_, [&](const Run& run) { return run.module == module; });
}

bool RunningModules::empty() const {
  const std::lock_guard lock(mutex_);
  return runs_.empty();
}

std::optional<std::string> RunningModules::begun_before(std::uint64_t times_forgotten) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(runs_, [&](const Run& run) { return run.since != times_forgotten; });
  return found == runs_.end() ? std::nullopt : std::optional(found->name);
}

void RunningModules::after_fork_in_child() {
  std::erase_if(runs_, [](const Run& run) { return run.thread != std::this_thread::get_id(); });
  mutex_.unlock();
}

}  // namespace bifrost
