#include "agent/serve/request_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/serve/listen_address.hpp"

namespace bifrost::agent {
namespace {

constexpr int kBacklog = 1024;
constexpr int kMaxAcceptsPerTurn = 64;
constexpr std::chrono::seconds kSweepPeriod{1};

// A client sends right behind its connect, which is what woke us. Looking some more times for the few microseconds that
// this takes is cheaper, for both, than another turn of the loop.
constexpr int kLooksAtArrival = 24;

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

std::optional<uid_t> user_behind(int fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return std::nullopt;
  return peer.uid;
}

// Whose connection it is: an address without its port, or a user.
std::string name_of_peer(int fd, const sockaddr_storage& from) {
  if (from.ss_family != AF_UNIX) return host_of(from);
  const auto user = user_behind(fd);
  return user ? std::to_string(*user) : std::string();
}

}  // namespace

Result<UniqueFd> listen_at(const sockaddr* address, socklen_t length) {
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;  // or an address stays taken for a minute after the agent before
  const bool ready =
      fd.valid() &&
      (address->sa_family == AF_UNIX || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0) &&
      ::bind(fd.get(), address, length) == 0 && ::listen(fd.get(), kBacklog) == 0;
  if (!ready) return Error{ErrorCode::kIo, uv_strerror(-errno)};
  return fd;
}

RequestServer::RequestServer(uv_loop_t* loop, UniqueFd listening, Limits limits, Callbacks callbacks)
    : loop_(loop), limits_(limits), callbacks_(std::move(callbacks)), listening_(std::move(listening)) {
  arrivals_ = std::make_unique<Poller>(loop_, listening_.get(), [this](bool, bool) { accept_waiting(); });
  arrivals_->watch(true, false);
  sweep_ = std::make_unique<Timer>(loop_, [this] { sweep(); });
  sweep_->every(kSweepPeriod);
}

void RequestServer::accept_waiting() {
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    UniqueFd fd(::accept4(listening_.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) {
      if (would_block() || errno == ECONNABORTED) return;
      if (make_room()) continue;
      callbacks_.on_turned_away();
      arrivals_->watch(false, false);  // no descriptors left: the next sweep tries again
      return;
    }
    if (clients_.size() >= limits_.clients && !make_room()) {
      callbacks_.on_turned_away();
      continue;
    }
    const ClientId id{++last_id_};
    Client& client = clients_[id];
    client.fd = std::move(fd);
    client.peer = peer_named(name_of_peer(client.fd.get(), from));
    client.since = boot_now();
    receive(id, client, kLooksAtArrival);
  }
}

RequestServer::Peer RequestServer::peer_named(const std::string& name) {
  auto& known = peers_[name];
  Peer peer = known.lock();
  if (!peer) known = peer = std::make_shared<const std::string>(name);
  return peer;
}

void RequestServer::receive(ClientId id, Client& client, int looks) {
  std::array<char, 2048> buffer;
  ssize_t n = 0;
  do {
    n = ::recv(client.fd.get(), buffer.data(), buffer.size(), 0);
  } while (n < 0 && would_block() && --looks > 0);
  if (n < 0 && would_block()) return watch(id, client, true, false);
  if (n <= 0) return drop(id);
  if (client.state == Client::State::kIdle) client.since = boot_now();
  client.state = Client::State::kAsking;
  client.input.append(buffer.data(), static_cast<std::size_t>(n));
  const std::size_t request = callbacks_.request_in(client.input);
  if (request == 0 && client.input.size() < limits_.request_bytes) return watch(id, client, true, false);
  client.has_more = request != client.input.size();
  client.state = Client::State::kAnswering;
  const std::string input =
      std::exchange(client.input, {});  // the answer may come, and the client go, before this returns
  callbacks_.on_request(id, input);
}

void RequestServer::answer(ClientId id, std::string bytes) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  found->second.output = std::move(bytes);
  send_rest(id, found->second);
}

void RequestServer::send_rest(ClientId id, Client& client) {
  const ssize_t n =
      ::send(client.fd.get(), client.output.data() + client.sent, client.output.size() - client.sent, MSG_NOSIGNAL);
  if (n < 0 && !would_block()) return drop(id);
  if (n > 0) client.sent += static_cast<std::size_t>(n);
  if (client.sent == client.output.size()) return go_on_behind_answer(id, client);
  watch(id, client, false, true);
}

void RequestServer::go_on_behind_answer(ClientId id, Client& client) {
  if (!client.has_more && clients_.size() <= limits_.kept) {
    client.state = Client::State::kIdle;
    client.since = boot_now();
    client.output.clear();
    client.sent = 0;
    return watch(id, client, true, false);
  }
  // Closing with input unread would reset the connection, and the answer to a request that was too long be lost.
  if (!client.has_more || ::shutdown(client.fd.get(), SHUT_WR) != 0) return drop(id);
  client.state = Client::State::kDraining;
  watch(id, client, true, false);
}

void RequestServer::drain(ClientId id, Client& client) {
  std::array<char, 2048> buffer;
  const ssize_t n = ::recv(client.fd.get(), buffer.data(), buffer.size(), 0);
  if (n == 0 || (n < 0 && !would_block())) drop(id);
}

std::optional<uid_t> RequestServer::uid_of(ClientId id) const {
  const auto found = clients_.find(id);
  return found == clients_.end() ? std::nullopt : user_behind(found->second.fd.get());
}

void RequestServer::watch(ClientId id, Client& client, bool readable, bool writable) {
  if (!client.poller) {
    client.poller = std::make_unique<Poller>(loop_, client.fd.get(), [this, id](bool, bool) {
      const auto found = clients_.find(id);
      if (found == clients_.end()) return;
      Client& ready = found->second;
      switch (ready.state) {
        case Client::State::kIdle:
        case Client::State::kAsking: return receive(id, ready, 1);
        case Client::State::kAnswering: return ready.output.empty() ? drop(id) : send_rest(id, ready);
        case Client::State::kDraining: return drain(id, ready);
      }
    });
  }
  client.poller->watch(readable, writable);
}

void RequestServer::drop(ClientId id) {
  clients_.erase(id);
}

// Whoever waits for nobody but itself makes place: those that ask nothing, else, of the peer that has most connections,
// the slowest to ask or to read.
bool RequestServer::make_room() {
  if (std::erase_if(clients_, [](const auto& entry) { return entry.second.state == Client::State::kIdle; }) > 0) {
    return true;
  }
  const auto slow = [](const Client& c) { return c.state != Client::State::kAnswering || !c.output.empty(); };
  const auto rank = [&](const Client& c) { return std::tuple(!slow(c), -c.peer.use_count(), c.since); };
  const auto slowest = std::min_element(clients_.begin(), clients_.end(),
                                        [&](const auto& a, const auto& b) { return rank(a.second) < rank(b.second); });
  if (slowest == clients_.end() || !slow(slowest->second)) return false;
  clients_.erase(slowest);
  return true;
}

void RequestServer::sweep() {
  arrivals_->watch(true, false);
  std::vector<ClientId> dropped;
  const BootTime now = boot_now();
  for (const auto& [id, client] : clients_) {
    const bool welcome = client.state == Client::State::kIdle && clients_.size() - dropped.size() <= limits_.kept;
    if (!welcome && now.since(client.since) > limits_.patience) dropped.push_back(id);
  }
  for (const ClientId id : dropped) drop(id);
  std::erase_if(peers_, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace bifrost::agent
