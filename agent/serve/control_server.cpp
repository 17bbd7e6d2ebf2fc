#include "agent/serve/control_server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/segment_dir.hpp"
#include "common/control/control_address.hpp"

namespace bifrost::agent {
namespace {

constexpr RequestServer::Limits kControlLimits{4096, 512, control::kMaxLineBytes, std::chrono::seconds(30)};

std::size_t line_in(std::string_view input) {
  return input.find('\n') + 1;  // npos + 1 is 0
}

// One line that the client takes, whatever Redis said.
std::string error_line(const std::string& message) {
  std::string line = ("error " + message).substr(0, control::kMaxLineBytes - 1);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return line;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::listen(uv_loop_t* loop, const std::string& dir,
                                                             Requests requests) {
  std::string path = path_in(dir, kControlSocketName);
  auto address = control::address_at(path);
  if (!address) return address.error();
  ::unlink(path.c_str());
  const mode_t before = ::umask(0117);  // 0660 from the first moment on
  auto listening = listen_at(reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  ::umask(before);
  if (!listening) return Error{ErrorCode::kIo, "control socket " + path + ": " + listening.error().message};
  return std::unique_ptr<ControlServer>(
      new ControlServer(loop, std::move(*listening), std::move(path), std::move(requests)));
}

ControlServer::ControlServer(uv_loop_t* loop, UniqueFd listening, std::string path, Requests requests)
    : path_(std::move(path)),
      requests_(std::move(requests)),
      clients_(loop, std::move(listening), kControlLimits,
               {line_in, [this](RequestServer::ClientId c, std::string_view input) { on_request(c, input); },
                [this] { requests_.refused(); }}),
      socket_(identity_of(path_)) {}

ControlServer::~ControlServer() {
  if (has_its_name()) ::unlink(path_.c_str());
}

bool ControlServer::has_its_name() const {
  return socket_ && identity_of(path_) == socket_;
}

void ControlServer::on_request(RequestServer::ClientId client, std::string_view input) {
  const std::string_view line = input.substr(0, input.find('\n'));
  if (line == control::kFence) {
    return requests_.fence([this, client](const Result<FenceAnswer>& fence) {
      answer(client, fence ? "ok generation=" + std::to_string(fence->generation.value) +
                                 " synced_through_ns=" + std::to_string(fence->synced_through.ns)
                           : error_line(fence.error().message));
    });
  }
  if (line == control::kPing) return answer(client, "ok pid=" + std::to_string(::getpid()));
  if (line == control::kSync) return answer(client, sync(client, false));
  if (line == control::kSyncPrune) return answer(client, sync(client, true));
  if (line == control::kState) return answer(client, "ok " + requests_.state());
  if (line == control::kNotCompiled) return answer(client, "ok " + requests_.not_compiled());
  if (line == control::kConfig) return answer(client, "ok " + requests_.config());
  if (line.starts_with(control::kEvents)) return on_events_request(client, line.substr(control::kEvents.size()));
  if (line_in(input) == 0) requests_.refused();
  answer(client, "error unknown request: ask fence, sync, sync prune, ping, state, not_compiled, config or events N");
}

void ControlServer::on_events_request(RequestServer::ClientId client, std::string_view after) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), number);
  if (error != std::errc() || end != after.data() + after.size()) {
    return answer(client, "error events takes the number of the last event that is known, 0 for none");
  }
  requests_.events(number, [this, client](const std::string& document) { answer(client, "ok " + document); });
}

std::string ControlServer::sync(RequestServer::ClientId client, bool prune) {
  const auto uid = clients_.uid_of(client);
  if (!uid || (*uid != 0 && *uid != ::geteuid())) return "error only the agent's user and root may ask for a sync";
  const Status accepted = requests_.sync(prune);
  return accepted ? "ok" : error_line(accepted.error().message);
}

void ControlServer::answer(RequestServer::ClientId client, std::string line) {
  line.push_back('\n');
  clients_.answer(client, std::move(line));
}

}  // namespace bifrost::agent
