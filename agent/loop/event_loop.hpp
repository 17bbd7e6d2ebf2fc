// event_loop.hpp - libuv handles as objects: they stop when they are destroyed. The entrance to this room, which is all
// that the agent knows of the outside: link.hpp (Redis), child_process.hpp, log.hpp, service_notify.hpp,
// directory_lock.hpp.
//
// libuv frees a handle only in its close callback, one loop turn later; these wrappers own the handle on the heap and
// let the callback delete it, so that owners need not care. All of them belong to the loop's thread.
// (E1) After its destructor has begun, an object calls nobody; it may be destroyed from inside its own callback.
// (E2) What takes long, resolving a name, happens in a thread of libuv's; its answer comes on the loop's thread.
#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace bifrost::agent {

class Timer {
 public:
  Timer(uv_loop_t* loop, std::function<void()> on_fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Fires once after `delay`; replaces an earlier start.
  void once(std::chrono::milliseconds delay);
  void every(std::chrono::milliseconds period);
  void stop();

 private:
  struct State;
  State* state_;
};

// Watches a descriptor that somebody else owns and closes later than this watcher.
class Poller {
 public:
  Poller(uv_loop_t* loop, int fd, std::function<void(bool readable, bool writable)> on_ready);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void watch(bool readable, bool writable);

 private:
  struct State;
  State* state_;
};

// Runs once, when the loop has nothing more to do before it waits: what one turn gathered goes out together.
class BeforeWait {
 public:
  BeforeWait(uv_loop_t* loop, std::function<void()> on_turn_end);
  ~BeforeWait();
  BeforeWait(const BeforeWait&) = delete;
  BeforeWait& operator=(const BeforeWait&) = delete;

  void request();

 private:
  struct State;
  State* state_;
};

// Work that takes long, one slice in each turn of the loop: between two slices it does whatever else is due. (A timer
// of 0 ms that starts itself again would not let it: libuv 1.44 fires that in the same turn, until it stops.)
class InTurns {
 public:
  // `slice` says whether there is more.
  InTurns(uv_loop_t* loop, std::function<bool()> slice);
  ~InTurns();
  InTurns(const InTurns&) = delete;
  InTurns& operator=(const InTurns&) = delete;

  // Until there is no more. Harmless while it runs.
  void start();

 private:
  struct State;
  State* state_;
};

class SignalWatcher {
 public:
  SignalWatcher(uv_loop_t* loop, int signal, std::function<void()> on_signal);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  State* state_;
};

// One host name, resolved off the loop's thread. Destroying it forgets the answer.
class Resolver {
 public:
  // All its addresses, at least one, in the order in which to try them.
  using OnDone = std::function<void(Result<std::vector<std::string>> addresses)>;
  Resolver(uv_loop_t* loop, const std::string& host, OnDone on_done);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace bifrost::agent
