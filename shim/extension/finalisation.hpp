// finalisation.hpp - what a thread does that is inside a call of ours when the interpreter ends.
//
// CPython before 3.14 ends a daemon thread by pthread_exit() when it asks for the GIL too late. That unwinds C++ frames
// whose destructors need the GIL, and aborts the process: a job that has finished looks as if it had crashed.
// (X1) At exit the main thread lets threads finish what they do inside (Inside), within kPatience. What takes long in
//      there runs in Outside: waits without the GIL, module bodies, callbacks.
// (X2) From then on nobody else gets in, or back in: such threads stop for the moment that the process still lasts. If
//      that moment is longer than kPatience, somebody waits for them, and who has waited so long gets in again.
// (X3) A thread that is in Outside and is ended there by CPython stops as well; no frame of ours is unwound.
// The main thread pays nothing for it, and never stops, since destructors may call us; a process without other threads
// does not even register for its exit.
#pragma once

#include <Python.h>
#include <cxxabi.h>

#include <utility>

namespace bifrost {

// It can start no thread any more, and ends those that ask for the GIL.
bool interpreter_ends();

// Never returns. Without the GIL, and without a lock that the main thread could want.
[[noreturn]] void wait_for_the_end();

// While a call of ours runs. Nests. With the GIL.
class Inside {
 public:
  Inside();
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool entered_;
};

// While other people's code runs for such a call, or it waits. Back in by come_back(), with the GIL.
class Outside {
 public:
  Outside();
  void come_back();
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

 private:
  bool left_;
};

// The result, a new reference or null, of `run`, which calls Python's C interface once and may give up the GIL there: a
// module's body, a callback. It holds nothing that needs a destructor.
template <class Run>
PyObject* run_outside(const Run& run) {
  Outside outside;
  PyObject* result = nullptr;
  try {
    result = run();
  } catch (abi::__forced_unwind&) {
    wait_for_the_end();
  }
  outside.come_back();
  return result;
}

// Without the GIL, to the end of the scope.
class GilRelease {
 public:
  GilRelease() : thread_(PyEval_SaveThread()) {}
  ~GilRelease();
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  Outside outside_;
  PyThreadState* thread_;
};

}  // namespace bifrost
