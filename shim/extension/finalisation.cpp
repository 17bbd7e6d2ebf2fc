#include "shim/extension/finalisation.hpp"

#include <pthread.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

namespace bifrost {
namespace {

constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::chrono::microseconds kLook{200};

// Written with the GIL. A child of a fork begins with what its only thread does.
std::atomic<int> threads_inside{0};
std::atomic<bool> ending{false};
bool registered = false;

thread_local bool is_inside = false;
thread_local bool ends_the_process = false;
thread_local bool is_waited_for = false;
thread_local bool is_main_thread = ::gettid() == ::getpid();

void take_the_gil(PyThreadState* thread) {
  if (interpreter_ends() && !ends_the_process && !is_main_thread) wait_for_the_end();
  try {
    PyEval_RestoreThread(thread);
  } catch (abi::__forced_unwind&) {
    wait_for_the_end();
  }
}

// Handlers of atexit that are older than ours run after it, and may wait for a thread that wants to get in: once this
// has taken too long, that thread gets in again.
void stop_if_ending() {
  if (!ending.load(std::memory_order_relaxed) || ends_the_process || is_waited_for) return;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  PyThreadState* const self = PyEval_SaveThread();
  while (!interpreter_ends() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kLook);
  take_the_gil(self);
  is_waited_for = true;
}

void get_in() {
  stop_if_ending();
  is_inside = true;
  ++threads_inside;
}

void get_out() {
  is_inside = false;
  --threads_inside;
}

// By the thread that ends the interpreter, after threads that are no daemons have been joined.
void let_threads_out() {
  ends_the_process = true;
  ending = true;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  PyThreadState* const self = PyEval_SaveThread();
  while (threads_inside.load() > (is_inside ? 1 : 0) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kLook);
  }
  PyEval_RestoreThread(self);
}

// For the first thread beside the main one.
void register_once() {
  if (std::exchange(registered, true)) return;
  ::pthread_atfork(nullptr, nullptr, [] {
    threads_inside = is_inside ? 1 : 0;
    is_main_thread = true;
    ending = false;
  });
  pybind11::module_::import("atexit").attr("register")(pybind11::cpp_function(&let_threads_out));
}

}  // namespace

bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

void wait_for_the_end() {
  while (true) ::pause();
}

Inside::Inside() : entered_(!is_inside && !is_main_thread) {
  if (!entered_) return;
  register_once();
  get_in();
}

Inside::~Inside() {
  if (entered_) get_out();
}

Outside::Outside() : left_(is_inside) {
  if (left_) get_out();
}

void Outside::come_back() {
  if (left_) get_in();
}

GilRelease::~GilRelease() {
  take_the_gil(thread_);
  outside_.come_back();
}

}  // namespace bifrost
