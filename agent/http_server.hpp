// http_server.hpp - answers GET and HEAD on the agent's loop, for probes and scrapes; nothing else of HTTP.
//
// One request per connection. A client that is slow, silent or rude costs a bounded buffer and is dropped after a
// while; it never holds up the loop. Belongs to the loop's thread. Why not prometheus-cpp's exposer: docs/design/0050.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/event_loop.hpp"
#include "agent/listen_address.hpp"
#include "common/base/clock.hpp"
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
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that was given out.
  const std::string& address() const { return address_; }

 private:
  struct Client;
  struct Server {
    uv_tcp_t handle{};
    HttpServer* owner = nullptr;
  };

  HttpServer(uv_loop_t* loop, Answer answer);
  void accept();
  void on_input(Client& client, std::string_view bytes);
  void send(Client& client, const HttpAnswer& answer, bool with_body);
  void drop(std::uint64_t client_id);
  void drop_slow();

  uv_loop_t* loop_;
  Answer answer_;
  std::string address_;
  Server* server_;
  std::unordered_map<std::uint64_t, Client*> clients_;
  std::uint64_t next_client_ = 1;
  std::unique_ptr<Timer> sweep_;
};

}  // namespace bifrost::agent
