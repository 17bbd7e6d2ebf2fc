#include "tools/cachectl/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace bifrost::cachectl {
namespace {

constexpr std::chrono::seconds kTimeToEnd(5);
constexpr std::size_t kMaxOutputBytes = 16u << 20;

// In the child, between fork and exec: async-signal-safe calls only. The parent learns errno through `failure`.
[[noreturn]] void become(char* const* argv, int out, int err, pid_t parent, int failure) {
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out >= 0 ? out : null, STDOUT_FILENO);
  ::dup2(err >= 0 ? err : null, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  // A signal of the terminal goes to this program alone, which then ends its children in order.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() == parent) ::execvp(argv[0], argv);
  const int why = errno;
  [[maybe_unused]] const ssize_t told = ::write(failure, &why, sizeof why);
  ::_exit(127);
}

int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& arguments, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return Error{ErrorCode::kIo, std::string("pipe: ") + std::strerror(errno)};
  const UniqueFd read_end(pipe_fds[0]);
  UniqueFd write_end(pipe_fds[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error{ErrorCode::kIo, std::string("fork: ") + std::strerror(errno)};
  if (pid == 0) become(argv.data(), out, err, parent, write_end.get());
  ChildProcess child(pid);
  write_end.reset();
  int why = 0;
  ssize_t n = 0;
  do {
    n = ::read(read_end.get(), &why, sizeof why);
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof why)) {
    const ErrorCode code = why == ENOENT   ? ErrorCode::kNotFound
                           : why == EACCES ? ErrorCode::kPermission
                                           : ErrorCode::kIo;
    return Error{code, arguments[0] + " cannot be started: " + std::strerror(why)};
  }
  return child;
}

bool ChildProcess::ended(int& status) {
  if (pid_ < 0) return true;
  int wait_status = 0;
  if (::waitpid(pid_, &wait_status, WNOHANG) != pid_) return false;
  pid_ = -1;
  status = status_of(wait_status);
  return true;
}

void ChildProcess::end() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  const Deadline patience(kTimeToEnd);
  int status = 0;
  while (!ended(status)) {
    if (patience.passed()) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
      return;
    }
    ::poll(nullptr, 0, 5);
  }
}

Result<ProcessOutput> output_of(const std::vector<std::string>& arguments, const Deadline& deadline) {
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return Error{ErrorCode::kIo, std::string("pipe: ") + std::strerror(errno)};
  const UniqueFd read_end(pipe_fds[0]);
  UniqueFd write_end(pipe_fds[1]);
  auto child = ChildProcess::start(arguments, write_end.get(), -1);
  if (!child) return child.error();
  write_end.reset();
  const auto late = [&] { return Error{ErrorCode::kTimeout, arguments[0] + " did not end in time"}; };
  ProcessOutput output;
  char buffer[16 * 1024];
  while (true) {
    pollfd p{read_end.get(), POLLIN, 0};
    const int ready = ::poll(&p, 1, deadline.poll_timeout_ms());
    if (ready == 0) return late();
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t n = ::read(read_end.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    output.out.append(buffer, static_cast<std::size_t>(n));
    if (output.out.size() > kMaxOutputBytes) return Error{ErrorCode::kNoSpace, arguments[0] + " writes too much"};
  }
  while (!child->ended(output.status)) {
    if (deadline.passed()) return late();
    ::poll(nullptr, 0, 2);
  }
  return output;
}

}  // namespace bifrost::cachectl
