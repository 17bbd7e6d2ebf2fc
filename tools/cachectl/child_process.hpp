// child_process.hpp - other programs, started and ended by this one: never past a deadline, never left behind.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost::cachectl {

class ChildProcess {
 public:
  // Looks `arguments[0]` up in PATH. `out`: where stdout goes, -1 for /dev/null; `err` likewise. stdin is /dev/null.
  // The child is told to end (SIGTERM) when this process dies, however that happens.
  // Errors: kNotFound, kPermission, kIo.
  static Result<ChildProcess> start(const std::vector<std::string>& arguments, int out, int err);

  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() { end(); }

  pid_t pid() const { return pid_; }
  // Whether it has ended; then its exit status, or 128 + the signal's number, is in `status`.
  bool ended(int& status);
  // SIGTERM, then SIGKILL after a few seconds. Idempotent.
  void end();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

struct ProcessOutput {
  int status = 0;
  std::string out;
};

// Runs a program to its end. What it writes to stderr is dropped. Errors: as start(), kTimeout, kNoSpace (more than
// 16 MiB of output).
Result<ProcessOutput> output_of(const std::vector<std::string>& arguments, const Deadline& deadline);

}  // namespace bifrost::cachectl
