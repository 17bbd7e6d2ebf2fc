#include "common/control/control_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "common/base/segment_dir.hpp"
#include "common/base/unique_fd.hpp"
#include "common/control/control_address.hpp"
#include "common/control/control_protocol.hpp"

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

Result<ControlAnswer> ask_agent(const std::string& dir, std::string_view request, const Deadline& deadline) {
  const std::string path = path_in(dir, kControlSocketName);
  const auto address = control::address_at(path);
  if (!address) return address.error();
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return socket_error(path, errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return socket_error(path, errno);  // EAGAIN: the agent's backlog is full, it is as good as absent
  }
  std::string line(request);
  line.push_back('\n');
  // A line fits any socket buffer: a short write means that the agent is gone.
  if (::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return socket_error(path, errno);
  }
  std::string answer;
  while (answer.find('\n') == std::string::npos) {
    if (const Status s = wait_for(fd.get(), POLLIN, path, deadline); !s) return s.error();
    char buffer[control::kMaxLineBytes];
    const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n == 0) return Error{ErrorCode::kUnreachable, path + ": the agent closed the connection"};
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return socket_error(path, errno);
    }
    answer.append(buffer, static_cast<std::size_t>(n));
    if (answer.size() > control::kMaxLineBytes) {
      return Error{ErrorCode::kRefused, path + ": the agent's answer was not understood"};
    }
  }
  answer.resize(answer.find('\n'));
  return parse_answer(answer);
}

Result<FenceAnswer> ask_fence(const std::string& dir, const Deadline& deadline) {
  auto answer = ask_agent(dir, control::kFence, deadline);
  if (!answer) return answer.error();
  FenceAnswer fence;
  if (!number_in(*answer, "generation", fence.generation.value) ||
      !number_in(*answer, "synced_through_ns", fence.synced_through.ns)) {
    return Error{ErrorCode::kRefused, "the agent's answer to a fence was not understood"};
  }
  return fence;
}

}  // namespace bifrost
