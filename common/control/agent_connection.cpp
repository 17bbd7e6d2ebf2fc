#include "common/control/agent_connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "common/base/segment_dir.hpp"
#include "common/control/control_address.hpp"

namespace bifrost {
namespace {

Error socket_error(const std::string& path, int err) {
  switch (err) {
    case ENOENT: return {ErrorCode::kNotFound, path + " does not exist: is bifrost-agent running?"};
    case ECONNREFUSED: return {ErrorCode::kUnreachable, path + ": no bifrost-agent listens"};
    case EACCES:
    case EPERM: return {ErrorCode::kPermission, path + " may not be used by this user"};
    default: return {ErrorCode::kUnreachable, path + ": " + std::strerror(err)};
  }
}

Status wait_for(int fd, short events, const std::string& path, const Deadline& deadline) {
  while (true) {
    pollfd p{fd, events, 0};
    const int n = ::poll(&p, 1, deadline.poll_timeout_ms());
    if (n > 0) return Done{};
    if (n == 0) return Error{ErrorCode::kTimeout, path + ": the agent did not answer in time"};
    if (errno != EINTR) return socket_error(path, errno);
  }
}

Result<ControlAnswer> parse_answer(std::string_view line) {
  if (line.substr(0, 6) == "error ") return Error{ErrorCode::kRefused, std::string(line.substr(6))};
  if (line.substr(0, 2) != "ok") return Error{ErrorCode::kRefused, "the agent's answer was not understood"};
  line.remove_prefix(2);
  ControlAnswer answer;
  while (!line.empty()) {
    const auto end = line.find(' ');
    const std::string_view word = line.substr(0, end);
    line = end == std::string_view::npos ? std::string_view{} : line.substr(end + 1);
    if (const auto equals = word.find('='); equals != std::string_view::npos) {
      answer.emplace(word.substr(0, equals), word.substr(equals + 1));
    }
  }
  return answer;
}

bool number_in(const ControlAnswer& answer, const char* key, std::uint64_t& out) {
  const auto it = answer.find(key);
  if (it == answer.end()) return false;
  const std::string& text = it->second;
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

}  // namespace

AgentConnection::AgentConnection(std::string dir) : path_(path_in(dir, kControlSocketName)) {}

AgentConnection::~AgentConnection() {
  close();
}

void AgentConnection::close() {
  static_cast<void>(take());
}

Result<AgentConnection::Socket> AgentConnection::connect() const {
  const auto address = control::address_at(path_);
  if (!address) return address.error();
  Socket socket{UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), {}};
  if (!socket.fd.valid() ||
      ::connect(socket.fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return socket_error(path_, errno);  // EAGAIN: the agent's backlog is full, it is as good as absent
  }
  socket.kept = KeptDescriptor(socket.fd.get());
  return socket;
}

// The connection that was kept, or an invalid one: then there is none that this process may use.
AgentConnection::Socket AgentConnection::take() {
  Socket socket;
  {
    const std::lock_guard lock(mutex_);
    socket = std::exchange(kept_, Socket{});
  }
  if (!socket.fd.valid()) return socket;
  switch (socket.kept.state()) {
    case KeptDescriptor::State::kOurs: break;
    case KeptDescriptor::State::kCopied: socket.fd.reset(); break;
    case KeptDescriptor::State::kTaken: socket.fd.release(); break;
  }
  return socket;
}

void AgentConnection::keep(Socket socket) {
  const std::lock_guard lock(mutex_);
  if (!kept_.fd.valid()) kept_ = std::move(socket);
}

Result<std::string> AgentConnection::exchange(int fd, std::string_view request, std::size_t most,
                                              const Deadline& deadline) const {
  std::string line(request);
  line.push_back('\n');
  // A line fits any socket buffer: a short write means that the agent is gone.
  if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return socket_error(path_, errno);
  }
  std::string answer;
  while (answer.empty() || answer.back() != '\n') {
    if (const Status s = wait_for(fd, POLLIN, path_, deadline); !s) return s.error();
    char buffer[16 * 1024];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n == 0) return Error{ErrorCode::kUnreachable, path_ + ": the agent closed the connection"};
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return socket_error(path_, errno);
    }
    answer.append(buffer, static_cast<std::size_t>(n));
    if (answer.size() > most) {
      return Error{ErrorCode::kRefused, path_ + ": the agent's answer was not understood"};
    }
  }
  answer.pop_back();
  return answer;
}

Result<std::string> AgentConnection::answer_to(std::string_view request, std::size_t most, const Deadline& deadline) {
  if (Socket kept = take(); kept.fd.valid()) {
    auto answer = exchange(kept.fd.get(), request, most, deadline);
    if (answer) keep(std::move(kept));
    // Closed by the agent, which may have been another one: asked again, it is this one that says so.
    if (answer || answer.error().code != ErrorCode::kUnreachable) return answer;
  }
  auto opened = connect();
  if (!opened) return opened.error();
  auto answer = exchange(opened->fd.get(), request, most, deadline);
  // After a failure a late answer may be on the way: it must not be taken for that to the next question.
  if (answer) keep(std::move(*opened));
  return answer;
}

Result<ControlAnswer> AgentConnection::ask(std::string_view request, const Deadline& deadline) {
  const auto line = answer_to(request, control::kMaxLineBytes, deadline);
  if (!line) return line.error();
  return parse_answer(*line);
}

Result<std::string> AgentConnection::ask_document(std::string_view request, const Deadline& deadline) {
  auto line = answer_to(request, control::kMaxDocumentBytes, deadline);
  if (!line) return line.error();
  if (line->starts_with("ok ")) return line->substr(3);
  if (line->starts_with("error ")) return Error{ErrorCode::kRefused, line->substr(6)};
  return Error{ErrorCode::kRefused, "the agent's answer was not understood"};
}

Result<FenceAnswer> AgentConnection::fence(const Deadline& deadline) {
  auto answer = ask(control::kFence, deadline);
  if (!answer) return answer.error();
  FenceAnswer fence;
  if (!number_in(*answer, "generation", fence.generation.value) ||
      !number_in(*answer, "synced_through_ns", fence.synced_through.ns)) {
    return Error{ErrorCode::kRefused, "the agent's answer to a fence was not understood"};
  }
  return fence;
}

}  // namespace bifrost
