// running_modules.hpp - the modules of the workspace whose code runs now, in whatever thread.
//
// What they have taken so far is noted of nobody yet: LoadedModules learns of a module when it has run.
// Concurrency: any thread. A child of a fork has those of the thread that forked.
#pragma once

#include <Python.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "shim/core/at_fork.hpp"

namespace bifrost {

class RunningModules final : public AtFork {
  struct Run {
    const PyObject* module;
    std::string name;
    std::uint64_t since;  // LoadedModules::times_forgotten()
    std::thread::id thread;
  };

 public:
  // Never destroyed.
  static RunningModules& instance();

  // Runs for as long as this object lives, in the thread that makes and destroys it.
  class Mark {
   public:
    Mark(const PyObject* module, std::string name, std::uint64_t since);
    ~Mark();
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    std::list<Run>::iterator run_;
  };

  bool contains(const PyObject* module) const;
  bool empty() const;
  // One that began to run before the last time that something was forgotten.
  std::optional<std::string> begun_before(std::uint64_t times_forgotten) const;

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override;

 private:
  RunningModules() { watch_forks(); }

  mutable std::mutex mutex_;
  std::list<Run> runs_;
};

}  // namespace bifrost
