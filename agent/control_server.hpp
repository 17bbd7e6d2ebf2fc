// control_server.hpp - the agent's Unix socket: fences, syncs and signs of life. Language: control_protocol.hpp.
//
// Anyone who can connect may ask for a fence; changing what is mirrored takes the agent's own uid or root. A client
// that is slow, silent or rude costs a bounded buffer and is dropped after a while; it never holds up the loop.
// Belongs to the loop's thread.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "agent/event_loop.hpp"
#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/control/control_client.hpp"

namespace bifrost::agent {

class ControlServer {
 public:
  struct Requests {
    std::function<void(std::function<void(Result<FenceAnswer>)>)> fence;
    std::function<Status(bool prune)> sync;
    std::function<void()> refused;  // a client was turned away
  };

  // Takes the place of a socket that an agent before left behind: call with the directory's lock held.
  static Result<std::unique_ptr<ControlServer>> listen(uv_loop_t* loop, const std::string& dir, Requests requests);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Client;
  struct Server {
    uv_pipe_t handle{};
    ControlServer* owner = nullptr;
  };

  ControlServer(uv_loop_t* loop, Requests requests);
  void accept();
  void on_input(Client& client, std::string_view bytes);
  void answer_line(Client& client, std::string_view line);
  void send(std::uint64_t client_id, const std::string& line);
  void drop(std::uint64_t client_id);
  void drop_idle();

  uv_loop_t* loop_;
  Requests requests_;
  std::string path_;
  Server* server_ = nullptr;
  std::unordered_map<std::uint64_t, Client*> clients_;
  std::uint64_t next_client_ = 1;
  std::unique_ptr<Timer> sweep_;
};

}  // namespace bifrost::agent
