#include "shim/core/at_fork.hpp"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace bifrost {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<AtFork*> members;
};

// Never destroyed: a daemon thread may fork while the process ends.
Registry& registry() {
  static Registry* const registry = new Registry();
  return *registry;
}

void before() {
  registry().mutex.lock();
  for (AtFork* member : registry().members) member->before_fork();
}

void in_parent() {
  for (AtFork* member : registry().members) member->after_fork_in_parent();
  registry().mutex.unlock();
}

void in_child() {
  for (AtFork* member : registry().members) member->after_fork_in_child();
  registry().mutex.unlock();
}

}  // namespace

void AtFork::watch_forks() {
  // Fails only for want of memory; forks are then as safe as without us.
  static const int registered = ::pthread_atfork(&before, &in_parent, &in_child);
  static_cast<void>(registered);
  const std::lock_guard lock(registry().mutex);
  registry().members.push_back(this);
}

void AtFork::leave_forks() {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().members, this);
}

}  // namespace bifrost
