// child_process.hpp - a program that the agent runs, with pipes to its stdin and stdout.
//
// Like the other handles of event_loop.hpp it belongs to the loop's thread, and what libuv still needs outlives it. The
// child gets an empty environment, no other descriptor of the agent, and /dev/null as stderr.
#pragma once

#include <uv.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.hpp"

namespace bifrost::agent {

class ChildProcess {
 public:
  struct Callbacks {
    std::function<void(std::string_view bytes)> on_output;
    // The child has ended by itself or by a signal; nothing is called after this. `how` is one clause.
    std::function<void(const std::string& how)> on_exit;
  };
  // What the child may use, beyond which the kernel refuses memory or ends it.
  struct Limits {
    std::uint64_t memory_bytes = 0;  // of address space
    int niceness = 0;
  };

  static Result<std::unique_ptr<ChildProcess>> start(uv_loop_t* loop, const std::vector<std::string>& command,
                                                     const Limits& limits, Callbacks callbacks);
  // Kills the child if it still runs and waits for its end, which takes as long as the kernel needs to take its memory
  // back: to end one that the agent goes on without, kill() and wait for on_exit. No callback is called any more.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void write(std::string bytes);
  // From now on the child may use this much more processor time before the kernel ends it.
  void allow_cpu(std::chrono::seconds more);
  // Also whatever the child has started and not taken out of its group. Its output up to now may not be seen any more.
  void kill();

 private:
  struct State;
  explicit ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace bifrost::agent
