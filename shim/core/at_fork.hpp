// at_fork.hpp - state that survives a fork at any moment, whatever other threads were doing.
//
// Every mutex of the core is held while the process is copied, so that none is locked in the child by a thread that the
// child does not have, and what they guard is whole there. Nobody who holds one of them waits for anything (the GIL,
// the agent, Redis), so a fork never waits long. Objects of this kind are few and live long.
// Concurrency: any thread; the three hooks are called by the thread that forks.
#pragma once

namespace bifrost {

class AtFork {
 public:
  AtFork(const AtFork&) = delete;
  AtFork& operator=(const AtFork&) = delete;

  // Locks everything that it guards.
  virtual void before_fork() = 0;
  // Unlocks it.
  virtual void after_fork_in_parent() = 0;
  // Unlocks it, and drops what belongs to the parent alone: connections and counts.
  virtual void after_fork_in_child() = 0;

 protected:
  AtFork() = default;
  ~AtFork() = default;

  // As the last thing of the constructor, and as the first of the destructor: a fork calls complete objects only.
  void watch_forks();
  void leave_forks();
};

}  // namespace bifrost
