#include "agent/control_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <utility>
#include <vector>

#include "common/base/segment_dir.hpp"
#include "common/control/control_protocol.hpp"

namespace bifrost::agent {
namespace {

constexpr int kBacklog = 1024;
constexpr std::size_t kMaxClients = 4096;
constexpr std::size_t kMaxUnsentBytes = 16 * 1024;
constexpr std::chrono::seconds kIdlePatience{30};

struct WriteRequest {
  uv_write_t request{};
  std::string bytes;
};

}  // namespace

struct ControlServer::Client {
  uv_pipe_t handle{};
  ControlServer* owner = nullptr;
  std::uint64_t id = 0;
  std::string input;
  std::array<char, control::kMaxLineBytes> buffer{};
  bool may_change = false;  // runs as the agent's own uid, or as root
  BootTime last_input;
};

Result<std::unique_ptr<ControlServer>> ControlServer::listen(uv_loop_t* loop, const std::string& dir,
                                                             Requests requests) {
  std::unique_ptr<ControlServer> server(new ControlServer(loop, std::move(requests)));
  server->path_ = path_in(dir, kControlSocketName);
  ::unlink(server->path_.c_str());
  const mode_t before = ::umask(0117);  // 0660 from the first moment on
  const int bound = uv_pipe_bind(&server->server_->handle, server->path_.c_str());
  ::umask(before);
  const int listening = bound != 0 ? bound
                                   : uv_listen(reinterpret_cast<uv_stream_t*>(&server->server_->handle), kBacklog,
                                               [](uv_stream_t* s, int status) {
                                                 ControlServer* owner = static_cast<Server*>(s->data)->owner;
                                                 if (status == 0 && owner != nullptr) owner->accept();
                                               });
  if (listening != 0) {
    return Error{ErrorCode::kIo, "control socket " + server->path_ + ": " + uv_strerror(listening)};
  }
  return server;
}

ControlServer::ControlServer(uv_loop_t* loop, Requests requests)
    : loop_(loop), requests_(std::move(requests)), server_(new Server) {
  server_->owner = this;
  server_->handle.data = server_;
  uv_pipe_init(loop_, &server_->handle, 0);
  sweep_ = std::make_unique<Timer>(loop_, [this] { drop_idle(); });
  sweep_->every(kIdlePatience / 2);
}

ControlServer::~ControlServer() {
  ::unlink(path_.c_str());
  std::vector<std::uint64_t> ids;
  for (const auto& [id, client] : clients_) ids.push_back(id);
  for (const std::uint64_t id : ids) drop(id);
  server_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&server_->handle),
           [](uv_handle_t* h) { delete static_cast<Server*>(h->data); });
}

void ControlServer::accept() {
  auto* client = new Client;
  client->owner = this;
  client->handle.data = client;
  client->id = next_client_++;
  client->last_input = boot_now();
  uv_pipe_init(loop_, &client->handle, 0);
  clients_.emplace(client->id, client);
  auto* stream = reinterpret_cast<uv_stream_t*>(&client->handle);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(&server_->handle), stream) != 0 || clients_.size() > kMaxClients) {
    requests_.refused();
    return drop(client->id);
  }
  uv_os_fd_t fd = -1;
  ucred peer{};
  socklen_t length = sizeof peer;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(stream), &fd) == 0 &&
      ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0) {
    client->may_change = peer.uid == 0 || peer.uid == ::geteuid();
  }
  uv_read_start(
      stream,
      [](uv_handle_t* h, std::size_t, uv_buf_t* buf) {
        auto* c = static_cast<Client*>(h->data);
        *buf = uv_buf_init(c->buffer.data(), static_cast<unsigned>(c->buffer.size()));
      },
      [](uv_stream_t* s, ssize_t n, const uv_buf_t* buf) {
        auto* c = static_cast<Client*>(s->data);
        if (c->owner == nullptr || n == 0) return;
        if (n < 0) return c->owner->drop(c->id);
        c->owner->on_input(*c, std::string_view(buf->base, static_cast<std::size_t>(n)));
      });
}

void ControlServer::on_input(Client& client, std::string_view bytes) {
  client.last_input = boot_now();
  client.input.append(bytes);
  const std::uint64_t id = client.id;
  while (clients_.count(id) != 0) {
    const auto end = client.input.find('\n');
    if (end == std::string::npos) break;
    const std::string line = client.input.substr(0, end);
    client.input.erase(0, end + 1);
    answer_line(client, line);
  }
  if (clients_.count(id) != 0 && client.input.size() >= control::kMaxLineBytes) {
    requests_.refused();
    drop(id);
  }
}

void ControlServer::answer_line(Client& client, std::string_view line) {
  const std::uint64_t id = client.id;
  if (line == control::kFence) {
    requests_.fence([this, id](const Result<FenceAnswer>& answer) {
      send(id, answer ? "ok generation=" + std::to_string(answer->generation.value) +
                            " synced_through_ns=" + std::to_string(answer->synced_through.ns)
                      : "error " + answer.error().message);
    });
    return;
  }
  if (line == control::kPing) return send(id, "ok pid=" + std::to_string(::getpid()));
  if (line == control::kSync || line == control::kSyncPrune) {
    if (!client.may_change) return send(id, "error only the agent's user and root may ask for a sync");
    const Status accepted = requests_.sync(line == control::kSyncPrune);
    return send(id, accepted ? "ok" : "error " + accepted.error().message);
  }
  send(id, "error unknown request: ask fence, sync, sync prune or ping");
}

// By id: a fence may be answered after its client has gone.
void ControlServer::send(std::uint64_t client_id, const std::string& line) {
  const auto found = clients_.find(client_id);
  if (found == clients_.end()) return;
  auto* stream = reinterpret_cast<uv_stream_t*>(&found->second->handle);
  if (uv_stream_get_write_queue_size(stream) > kMaxUnsentBytes) {
    requests_.refused();
    return drop(client_id);
  }
  auto* write = new WriteRequest;
  write->bytes = line + "\n";
  write->request.data = write;
  const uv_buf_t buf = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  const auto done = [](uv_write_t* request, int) { delete static_cast<WriteRequest*>(request->data); };
  if (uv_write(&write->request, stream, &buf, 1, done) != 0) delete write;
}

void ControlServer::drop(std::uint64_t client_id) {
  const auto found = clients_.find(client_id);
  if (found == clients_.end()) return;
  Client* client = found->second;
  clients_.erase(found);
  client->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&client->handle),
           [](uv_handle_t* h) { delete static_cast<Client*>(h->data); });
}

void ControlServer::drop_idle() {
  std::vector<std::uint64_t> idle;
  const BootTime now = boot_now();
  for (const auto& [id, client] : clients_) {
    if (now.since(client->last_input) > kIdlePatience) idle.push_back(id);
  }
  for (const std::uint64_t id : idle) drop(id);
}

}  // namespace bifrost::agent
