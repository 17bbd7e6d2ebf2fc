// shared_execution.hpp - what the processes of one execution share: those that it forks go on with it, until they begin
// one of their own.
//
// In shared memory, so that each sees what the others have done. What a process has taken before it forked its fork
// has, too; what either takes after that the other cannot compare. So whoever moves to another generation must be the
// only one who has taken something since the first fork; and whoever takes something must have made the last move
// itself, or been forked after it. Concurrency: any thread, any process.
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

  // Where a process stands. The first one begins at {}.
  struct Place {
    std::uint32_t process = 0;
    std::uint32_t moved = 0;   // the last move that it has made, or that was made before it was forked
    std::uint32_t losses = 0;  // how many of the moves until then nobody had asked for
  };

  // Before a fork: the number of the process that it will be.
  std::uint32_t add_process() { return ++forks_; }

  // A process is about to take something. False: another has moved since.
  bool takes(const Place& at) {
    if (forks_ == 0) return true;
    std::uint32_t nobody = kNobody;
    if (!taker_.compare_exchange_strong(nobody, at.process) && !is_taken_only_by(at.process)) taker_ = kSeveral;
    return moves_ == at.moved;
  }

  // A process goes on with another state. `lost`: since it could not stay where it was. Returns where it stands then;
  // no other process has made that move.
  Place move(const Place& from, bool lost) {
    const std::uint32_t losses = lost ? ++losses_ : losses_.load();  // known before the move is
    return {from.process, ++moves_, losses};
  }
  // After move().
  bool is_taken_only_by(std::uint32_t process) const {
    const std::uint32_t taker = taker_;
    return taker == kNobody || taker == process;
  }
  // Whether some process has had to move since.
  bool lost_since(const Place& at) const { return losses_ != at.losses; }

 private:
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};
  static constexpr std::uint32_t kSeveral = kNobody - 1;

  // Sequentially consistent: of two that move and take at once, one sees the other.
  std::atomic<bool> torn_{false};
  std::atomic<std::uint32_t> losses_{0};
  std::atomic<std::uint32_t> forks_{0};
  std::atomic<std::uint32_t> moves_{0};
  std::atomic<std::uint32_t> taker_{kNobody};  // since the first fork
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
