#include "agent/serve/http_server.hpp"

#include <sys/socket.h>

#include <utility>

namespace bifrost::agent {
namespace {

constexpr RequestServer::Limits kHttpLimits{512, 0, 8192, std::chrono::seconds(10)};

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    default: return "Service Unavailable";
  }
}

constexpr std::string_view kEndOfHeader = "\r\n\r\n";

std::size_t header_in(std::string_view input) {
  const auto end = input.find(kEndOfHeader);
  return end == std::string_view::npos ? 0 : end + kEndOfHeader.size();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::listen(uv_loop_t* loop, const ListenAddress& address, Answer answer) {
  auto listening = listen_at(reinterpret_cast<const sockaddr*>(&address.address), sizeof address.address);
  if (!listening) {
    return Error{ErrorCode::kIo, "metrics address " + to_text(address.address) + ": " + listening.error().message};
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  ::getsockname(listening->get(), reinterpret_cast<sockaddr*>(&bound), &length);
  std::unique_ptr<HttpServer> server(new HttpServer(loop, std::move(*listening), std::move(answer)));
  server->address_ = to_text(bound);
  return server;
}

HttpServer::HttpServer(uv_loop_t* loop, UniqueFd listening, Answer answer)
    : answer_(std::move(answer)),
      clients_(
          loop, std::move(listening), kHttpLimits,
          {header_in, [this](RequestServer::ClientId c, std::string_view input) { on_request(c, input); }, [] {}}) {}

void HttpServer::on_request(RequestServer::ClientId client, std::string_view input) {
  const std::string_view line = input.substr(0, input.find("\r\n"));
  const auto first = line.find(' ');
  const auto second = line.find(' ', first == std::string_view::npos ? first : first + 1);
  if (header_in(input) == 0 || second == std::string_view::npos || line.substr(second + 1, 5) != "HTTP/") {
    return send(client, {400, "text/plain", "not an HTTP request\n"}, true);
  }
  const std::string_view method = line.substr(0, first);
  if (method != "GET" && method != "HEAD") return send(client, {405, "text/plain", "only GET and HEAD\n"}, true);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  send(client, answer_(target.substr(0, target.find('?'))), method == "GET");
}

void HttpServer::send(RequestServer::ClientId client, const HttpAnswer& answer, bool with_body) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason(answer.status)) +
                     "\r\nContent-Type: " + std::string(answer.content_type) +
                     "\r\nContent-Length: " + std::to_string(answer.body.size()) +
                     "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  if (with_body) text += answer.body;
  clients_.answer(client, std::move(text));
}

}  // namespace bifrost::agent
