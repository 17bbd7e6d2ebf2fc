// shared_execution.hpp - what the processes of one execution share: those that it forks go on with it, until they begin
// one of their own.
//
// In shared memory, so that each sees what the others have done. Who forks and who is forked cannot compare what they
// have taken: once a fork has taken something, all of them must have made the same moves to other generations, and
// nobody may make another.
// Concurrency: any thread, any process.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace bifrost {

class SharedExecution {
 public:
  // Whether all that the execution has imported is known to be of one generation.
  bool intact() const { return !torn_; }
  void tear() { torn_ = true; }

  // A process goes on with another state. Returns the number of that move, which no other has; 0 is where all begin.
  std::uint32_t move() { return ++moves_; }
  // After move(): whether a fork has taken something.
  bool is_taken_by_forks() const { return taken_by_forks_; }
  // A fork whose last move, or that of the process that it was forked from, was `move` is about to take something.
  // False: some process has moved since then.
  bool takes(std::uint32_t move) {
    if (!taken_by_forks_) taken_by_forks_ = true;
    return moves_ == move;
  }

 private:
  // Sequentially consistent: of two that move and take at once, one sees the other.
  std::atomic<bool> torn_{false};
  std::atomic<bool> taken_by_forks_{false};
  std::atomic<std::uint32_t> moves_{0};
};

class SharedExecutions {
 public:
  // One that no other execution has. Not from several threads at once. Cost: a mapping for some hundreds of them, which
  // forks share. Errors: std::bad_alloc.
  std::shared_ptr<SharedExecution> next();

 private:
  struct Page;
  std::shared_ptr<Page> page_;
};

}  // namespace bifrost
