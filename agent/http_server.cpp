#include "agent/http_server.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace bifrost::agent {
namespace {

constexpr int kBacklog = 64;
constexpr std::size_t kMaxClients = 64;
constexpr std::size_t kMaxRequestBytes = 8192;
constexpr std::chrono::seconds kPatience{10};

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    default: return "Service Unavailable";
  }
}

struct WriteRequest {
  uv_write_t request{};
  std::string bytes;
};

}  // namespace

struct HttpServer::Client {
  uv_tcp_t handle{};
  HttpServer* owner = nullptr;
  std::uint64_t id = 0;
  std::string input;
  std::array<char, 2048> buffer{};
  BootTime connected;
  bool answered = false;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(uv_loop_t* loop, const ListenAddress& address, Answer answer) {
  std::unique_ptr<HttpServer> server(new HttpServer(loop, std::move(answer)));
  uv_tcp_t* handle = &server->server_->handle;
  int status = uv_tcp_bind(handle, reinterpret_cast<const sockaddr*>(&address.address), 0);
  if (status == 0) {
    status = uv_listen(reinterpret_cast<uv_stream_t*>(handle), kBacklog, [](uv_stream_t* s, int ready) {
      HttpServer* owner = static_cast<Server*>(s->data)->owner;
      if (ready == 0 && owner != nullptr) owner->accept();
    });
  }
  if (status != 0) {
    return Error{ErrorCode::kIo, "metrics address " + to_text(address.address) + ": " + uv_strerror(status)};
  }
  sockaddr_storage bound{};
  int length = sizeof bound;
  uv_tcp_getsockname(handle, reinterpret_cast<sockaddr*>(&bound), &length);
  server->address_ = to_text(bound);
  return server;
}

HttpServer::HttpServer(uv_loop_t* loop, Answer answer) : loop_(loop), answer_(std::move(answer)), server_(new Server) {
  server_->owner = this;
  server_->handle.data = server_;
  uv_tcp_init(loop_, &server_->handle);
  sweep_ = std::make_unique<Timer>(loop_, [this] { drop_slow(); });
  sweep_->every(kPatience / 2);
}

HttpServer::~HttpServer() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, client] : clients_) ids.push_back(id);
  for (const std::uint64_t id : ids) drop(id);
  server_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&server_->handle),
           [](uv_handle_t* h) { delete static_cast<Server*>(h->data); });
}

void HttpServer::accept() {
  auto* client = new Client;
  client->owner = this;
  client->handle.data = client;
  client->id = next_client_++;
  client->connected = boot_now();
  uv_tcp_init(loop_, &client->handle);
  clients_.emplace(client->id, client);
  auto* stream = reinterpret_cast<uv_stream_t*>(&client->handle);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(&server_->handle), stream) != 0 || clients_.size() > kMaxClients) {
    return drop(client->id);
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

void HttpServer::on_input(Client& client, std::string_view bytes) {
  if (client.answered) return;  // nothing after the first request counts
  client.input.append(bytes);
  const bool whole = client.input.find("\r\n\r\n") != std::string::npos;
  if (!whole && client.input.size() <= kMaxRequestBytes) return;
  client.answered = true;
  const std::string_view line(client.input.data(), std::min(client.input.size(), client.input.find("\r\n")));
  const auto first = line.find(' ');
  const auto second = line.find(' ', first == std::string_view::npos ? first : first + 1);
  if (!whole || second == std::string_view::npos || line.substr(second + 1, 5) != "HTTP/") {
    return send(client, {400, "text/plain", "not an HTTP request\n"}, true);
  }
  const std::string_view method = line.substr(0, first);
  if (method != "GET" && method != "HEAD") return send(client, {405, "text/plain", "only GET and HEAD\n"}, true);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  send(client, answer_(target.substr(0, target.find('?'))), method == "GET");
}

void HttpServer::send(Client& client, const HttpAnswer& answer, bool with_body) {
  auto* write = new WriteRequest;
  write->bytes = "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason(answer.status)) +
                 "\r\nContent-Type: " + std::string(answer.content_type) +
                 "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                 "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  if (with_body) write->bytes += answer.body;
  write->request.data = write;
  const uv_buf_t buf = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  const auto done = [](uv_write_t* request, int) {
    const auto* c = static_cast<Client*>(request->handle->data);
    if (c->owner != nullptr) c->owner->drop(c->id);
    delete static_cast<WriteRequest*>(request->data);
  };
  if (uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&client.handle), &buf, 1, done) != 0) {
    delete write;
    drop(client.id);
  }
}

void HttpServer::drop(std::uint64_t client_id) {
  const auto found = clients_.find(client_id);
  if (found == clients_.end()) return;
  Client* client = found->second;
  clients_.erase(found);
  client->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&client->handle),
           [](uv_handle_t* h) { delete static_cast<Client*>(h->data); });
}

void HttpServer::drop_slow() {
  std::vector<std::uint64_t> slow;
  const BootTime now = boot_now();
  for (const auto& [id, client] : clients_) {
    if (now.since(client->connected) > kPatience) slow.push_back(id);
  }
  for (const std::uint64_t id : slow) drop(id);
}

}  // namespace bifrost::agent
