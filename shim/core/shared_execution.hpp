// shared_execution.hpp - what the processes of one execution share: those that it forks go on with it, until they begin
// one of their own.
//
// In shared memory, so that each sees what the others have done. Who forks and who is forked cannot compare what they
// have taken: once both may have taken something, the execution is of one generation only as long as neither moves.
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

  std::uint32_t moves() const { return moves_; }
  // This process goes on with another state. True: a forked one has taken something by now; which cannot be compared.
  bool moves_beside_others() {
    ++moves_;
    return inherited_;
  }
  // A process that was forked at `moves` is about to take something. True: some process has gone on with another state
  // since then.
  bool takes_after_a_move(std::uint32_t moves) {
    if (!inherited_) inherited_ = true;
    return moves_ != moves;
  }

 private:
  // Sequentially consistent: of two that move and take at once, one sees the other.
  std::atomic<bool> torn_{false};
  std::atomic<bool> inherited_{false};
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
