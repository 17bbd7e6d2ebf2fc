// http_server.hpp - answers GET and HEAD on the agent's loop, for probes and scrapes; nothing else of HTTP.
//
// What clients may cost: request_server.hpp. Belongs to the loop's thread. Why not prometheus-cpp's exposer:
// docs/design/0050.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/serve/listen_address.hpp"
#include "agent/serve/request_server.hpp"
#include "common/base/result.hpp"

namespace bifrost::agent {

struct HttpAnswer {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string body;
};

class HttpServer {
 public:
  // `target` is the path without its query.
  using Answer = std::function<HttpAnswer(std::string_view target)>;

  // Errors: kIo (the address cannot be had: the message names it).
  static Result<std::unique_ptr<HttpServer>> listen(uv_loop_t* loop, const ListenAddress& address, Answer answer);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that was given out.
  const std::string& address() const { return address_; }

 private:
  HttpServer(uv_loop_t* loop, UniqueFd listening, Answer answer);
  void on_request(RequestServer::ClientId client, std::string_view input);
  void send(RequestServer::ClientId client, const HttpAnswer& answer, bool with_body);

  Answer answer_;
  std::string address_;
  RequestServer clients_;
};

}  // namespace bifrost::agent
