// request_server.hpp - the clients of a listening stream socket: a request, its answer, and perhaps another request.
//
// What a request is and what it means are the owner's business. Belongs to the loop's thread.
// (R1) A client that is slow, silent or rude costs a bounded buffer, and is dropped after Limits::patience, or when a
//      newcomer needs its place: however many there are, a request that comes whole is answered. Of two peers (users
//      on a Unix socket, else addresses) the one with more connections makes place.
// (R2) No client holds up the loop: nothing here waits for one.
// (R3) An id is never used again: an answer that comes too late goes nowhere.
// Cost: a request and its answer are two system calls; four more when the request comes with the connection (three for
// an address), and no turn of the loop of its own.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <uv.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/loop/event_loop.hpp"
#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost::agent {

class RequestServer {
 public:
  enum class ClientId : std::uint64_t {};

  struct Limits {
    std::size_t clients;            // connected at the same time
    std::size_t kept;               // of these, as long as they ask nothing and nobody needs their place
    std::size_t request_bytes;      // without a whole request
    std::chrono::seconds patience;  // from the first byte of a request to gone
  };
  struct Callbacks {
    std::size_t (*request_in)(std::string_view input);  // bytes of the request that `input` begins with; 0: not whole
    // `input` begins with a request, or has Limits::request_bytes and still does not. Owed: one answer(). A client that
    // does not wait for it is closed.
    std::function<void(ClientId, std::string_view input)> on_request;
    std::function<void()> on_turned_away;  // too many clients that wait for an answer, or no descriptors left
  };

  // `listening` comes from listen_at().
  RequestServer(uv_loop_t* loop, UniqueFd listening, Limits limits, Callbacks callbacks);
  RequestServer(const RequestServer&) = delete;
  RequestServer& operator=(const RequestServer&) = delete;

  // At any time after on_request, also from inside it. Nothing happens when the client has gone meanwhile.
  void answer(ClientId id, std::string bytes);

  // Of a client on a Unix socket: who connected.
  std::optional<uid_t> uid_of(ClientId id) const;

 private:
  // Held by each of its connections, and by nobody else: use_count() says how many these are.
  using Peer = std::shared_ptr<const std::string>;
  struct Client {
    UniqueFd fd;
    Peer peer;
    enum class State { kIdle, kAsking, kAnswering, kDraining } state = State::kIdle;
    BootTime since;  // idle, or with a request
    std::string input;
    bool has_more = false;  // it has sent, or is sending, more than one request
    std::string output;
    std::size_t sent = 0;
    std::unique_ptr<Poller> poller;  // once there is something to wait for; declared after fd: it must go first
  };

  void accept_waiting();
  Peer peer_named(const std::string& name);
  void receive(ClientId id, Client& client, int looks);
  void send_rest(ClientId id, Client& client);
  void go_on_behind_answer(ClientId id, Client& client);
  void drain(ClientId id, Client& client);
  void watch(ClientId id, Client& client, bool readable, bool writable);
  void drop(ClientId id);
  bool make_room();  // for a newcomer; whether there was anybody to drop
  void sweep();

  uv_loop_t* loop_;
  const Limits limits_;
  const Callbacks callbacks_;
  UniqueFd listening_;
  std::unique_ptr<Poller> arrivals_;  // declared after listening_: it must go first
  std::unordered_map<ClientId, Client> clients_;
  std::unordered_map<std::string, std::weak_ptr<const std::string>> peers_;
  std::uint64_t last_id_ = 0;
  std::unique_ptr<Timer> sweep_;
};

// A listening, non-blocking socket. Errors: kIo (one word of why; the caller knows the address).
Result<UniqueFd> listen_at(const sockaddr* address, socklen_t length);

}  // namespace bifrost::agent
