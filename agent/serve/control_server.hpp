// control_server.hpp - the agent's Unix socket: fences, syncs, signs of life, and what the agent tells of itself.
// Language: docs/control-protocol.md.
//
// Knows nothing of what answers: the owner gives it the functions. What clients may cost: request_server.hpp, which
// http_server.hpp (metrics) shares. Belongs to the loop's thread.
// (C1) Anyone who can connect may ask for a fence; changing what is mirrored takes the agent's own uid or root.
// (C2) Every request gets one answer, unless its client goes first.
// (C3) The socket is a file in the segment's directory from listen() to the destructor.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/serve/request_server.hpp"
#include "common/base/file_identity.hpp"
#include "common/base/result.hpp"
#include "common/control/control_protocol.hpp"

namespace bifrost::agent {

class ControlServer {
 public:
  struct Requests {
    std::function<void(std::function<void(Result<FenceAnswer>)>)> fence;
    std::function<Status(bool prune)> sync;
    // JSON documents on one line. The last is of the events after the given number, once there are some.
    std::function<std::string()> state;
    std::function<std::string()> not_compiled;
    std::function<std::string()> config;
    std::function<void(std::uint64_t after, std::function<void(std::string)>)> events;
    std::function<void()> refused;  // a client was turned away
  };

  // Takes the place of a socket that an agent before left behind: call with the directory's lock held.
  static Result<std::unique_ptr<ControlServer>> listen(uv_loop_t* loop, const std::string& dir, Requests requests);
  ~ControlServer();  // removes the socket, if that is still this one's

  // The name still leads here. False when somebody removed or replaced it: listen() again.
  bool has_its_name() const;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  ControlServer(uv_loop_t* loop, UniqueFd listening, std::string path, Requests requests);
  void on_request(RequestServer::ClientId client, std::string_view input);
  std::string sync(RequestServer::ClientId client, bool prune);
  void on_events_request(RequestServer::ClientId client, std::string_view after);
  void answer(RequestServer::ClientId client, std::string line);

  std::string path_;
  Requests requests_;
  RequestServer clients_;
  std::optional<FileIdentity> socket_;  // nothing: it was gone at once
};

}  // namespace bifrost::agent
