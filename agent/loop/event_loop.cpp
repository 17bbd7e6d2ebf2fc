#include "agent/loop/event_loop.hpp"

#include <utility>

#include "common/redis/host_addresses.hpp"

namespace bifrost::agent {
namespace {

template <class State>
void close_and_delete(State* state) {
  state->callback = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&state->handle),
           [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

}  // namespace

struct Timer::State {
  uv_timer_t handle{};
  std::function<void()> callback;
};

Timer::Timer(uv_loop_t* loop, std::function<void()> on_fire) : state_(new State) {
  state_->callback = std::move(on_fire);
  state_->handle.data = state_;
  uv_timer_init(loop, &state_->handle);
}

Timer::~Timer() {
  close_and_delete(state_);
}

namespace {
template <class State>
void fire(uv_timer_t* handle) {
  auto* state = static_cast<State*>(handle->data);
  const auto callback = state->callback;  // a copy: it may destroy the timer
  if (callback) callback();
}
}  // namespace

void Timer::once(std::chrono::milliseconds delay) {
  uv_update_time(state_->handle.loop);
  uv_timer_start(&state_->handle, fire<State>, static_cast<std::uint64_t>(delay.count()), 0);
}

void Timer::every(std::chrono::milliseconds period) {
  const auto ms = static_cast<std::uint64_t>(period.count());
  uv_update_time(state_->handle.loop);
  uv_timer_start(&state_->handle, fire<State>, ms, ms);
}

void Timer::stop() {
  uv_timer_stop(&state_->handle);
}

struct Poller::State {
  uv_poll_t handle{};
  int events = 0;
  std::function<void(bool, bool)> callback;

  static void on_event(uv_poll_t* handle, int status, int ready) {
    auto* state = static_cast<State*>(handle->data);
    // libuv stops at an error; behind it there may be more to read, and the end.
    if (status < 0) uv_poll_start(handle, state->events, on_event);
    const auto callback = state->callback;  // a copy: it may destroy the poller
    // An error shows as readable: the read that follows reports it.
    if (callback) callback(status < 0 || (ready & UV_READABLE) != 0, (ready & UV_WRITABLE) != 0);
  }
};

Poller::Poller(uv_loop_t* loop, int fd, std::function<void(bool, bool)> on_ready) : state_(new State) {
  state_->callback = std::move(on_ready);
  state_->handle.data = state_;
  uv_poll_init(loop, &state_->handle, fd);
}

Poller::~Poller() {
  uv_poll_stop(&state_->handle);  // at once: the descriptor may be closed before the close callback runs
  close_and_delete(state_);
}

void Poller::watch(bool readable, bool writable) {
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (events == state_->events) return;  // libuv would tell the kernel again
  state_->events = events;
  uv_poll_start(&state_->handle, events, State::on_event);
}

struct BeforeWait::State {
  uv_prepare_t handle{};
  std::function<void()> callback;
};

BeforeWait::BeforeWait(uv_loop_t* loop, std::function<void()> on_turn_end) : state_(new State) {
  state_->callback = std::move(on_turn_end);
  state_->handle.data = state_;
  uv_prepare_init(loop, &state_->handle);
}

BeforeWait::~BeforeWait() {
  close_and_delete(state_);
}

void BeforeWait::request() {
  uv_prepare_start(&state_->handle, [](uv_prepare_t* handle) {
    uv_prepare_stop(handle);
    const auto callback = static_cast<State*>(handle->data)->callback;  // a copy: it may destroy this
    if (callback) callback();
  });
}

struct InTurns::State {
  uv_idle_t handle{};
  std::function<bool()> callback;
};

InTurns::InTurns(uv_loop_t* loop, std::function<bool()> slice) : state_(new State) {
  state_->callback = std::move(slice);
  state_->handle.data = state_;
  uv_idle_init(loop, &state_->handle);
}

InTurns::~InTurns() {
  close_and_delete(state_);
}

void InTurns::start() {
  uv_idle_start(&state_->handle, [](uv_idle_t* handle) {
    const auto callback = static_cast<State*>(handle->data)->callback;  // a copy: it may destroy this
    // Destroyed, the handle is closing, and lives until the turn ends: stopping it again is harmless.
    if (!callback || !callback()) uv_idle_stop(handle);
  });
}

struct SignalWatcher::State {
  uv_signal_t handle{};
  std::function<void()> callback;
};

SignalWatcher::SignalWatcher(uv_loop_t* loop, int signal, std::function<void()> on_signal) : state_(new State) {
  state_->callback = std::move(on_signal);
  state_->handle.data = state_;
  uv_signal_init(loop, &state_->handle);
  uv_signal_start(
      &state_->handle,
      [](uv_signal_t* handle, int) {
        const auto callback = static_cast<State*>(handle->data)->callback;
        if (callback) callback();
      },
      signal);
}

SignalWatcher::~SignalWatcher() {
  close_and_delete(state_);
}

struct Resolver::State {
  uv_getaddrinfo_t request{};
  OnDone callback;
  std::shared_ptr<State> running;  // keeps this alive until libuv has answered
};

Resolver::Resolver(uv_loop_t* loop, const std::string& host, OnDone on_done) : state_(std::make_shared<State>()) {
  state_->callback = std::move(on_done);
  state_->request.data = state_.get();
  const addrinfo hints = any_stream_address();
  const auto done = [](uv_getaddrinfo_t* request, int status, addrinfo* list) {
    const auto state = std::move(static_cast<State*>(request->data)->running);
    auto addresses = addresses_in(list);
    uv_freeaddrinfo(list);
    const auto callback = state->callback;
    if (!callback) return;
    if (!addresses.empty()) return callback(std::move(addresses));
    callback(Error{ErrorCode::kUnreachable, status < 0 ? uv_strerror(status) : "no address"});
  };
  state_->running = state_;
  if (const int err = uv_getaddrinfo(loop, &state_->request, done, host.c_str(), nullptr, &hints); err != 0) {
    state_->running.reset();
    state_->callback(Error{ErrorCode::kUnreachable, uv_strerror(err)});
  }
}

// The request may be running in the thread pool: only its answer can be forgotten.
Resolver::~Resolver() {
  state_->callback = nullptr;
}

}  // namespace bifrost::agent
