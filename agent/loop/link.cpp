#include "agent/loop/link.hpp"

#include <chrono>
#include <utility>

namespace bifrost::agent {
namespace {

constexpr std::chrono::milliseconds kConnectPatience{5000};  // with each address

}  // namespace

LoopLink::LoopLink(uv_loop_t* loop, RedisUrl url, Callbacks callbacks, const FindServer& find_server)
    : loop_(loop), url_(std::move(url)), callbacks_(std::move(callbacks)) {
  patience_ = std::make_unique<Timer>(loop_, [this] { on_connect_failed("no answer while connecting"); });
  flush_ = std::make_unique<BeforeWait>(loop_, [this] {
    if (!broken_) pump_output();
  });
  if (!find_server) {
    find_addresses();
    return;
  }
  search_ = find_server([this](Result<RedisUrl> server) {
    if (!server) return break_off(server.error().message);
    url_ = std::move(*server);
    find_addresses();
  });
}

LoopLink::~LoopLink() = default;

void LoopLink::find_addresses() {
  named_ = url_;
  patience_->once(kConnectPatience);
  if (url_.transport == RedisUrl::Transport::kUnix) return start();
  resolver_ = std::make_unique<Resolver>(loop_, url_.host, [this](Result<std::vector<std::string>> addresses) {
    if (broken_) return;
    if (!addresses) return break_off("cannot resolve " + url_.host + ": " + addresses.error().message);
    addresses_.assign(addresses->rbegin(), addresses->rend());
    try_next_address();
  });
}

void LoopLink::try_next_address() {
  url_.host = std::move(addresses_.back());
  addresses_.pop_back();
  patience_->once(kConnectPatience);
  start();
}

void LoopLink::start() {
  poller_.reset();
  link_.reset();
  auto link = RedisLink::start(url_);
  if (!link) {
    // Not from inside the constructor: the owner does not have this object yet.
    retry_ = std::make_unique<Timer>(
        loop_, [this, why = url_.display() + ": " + link.error().message] { on_connect_failed(why); });
    retry_->once(std::chrono::milliseconds(0));
    return;
  }
  link_.emplace(std::move(*link));
  poller_ = std::make_unique<Poller>(loop_, link_->fd(), [this](bool r, bool w) { on_ready(r, w); });
  poller_->watch(true, true);
}

// A server that answers, be it with a refusal, is the one that was meant: only before it does is there another to try.
void LoopLink::on_connect_failed(const std::string& why) {
  if (broken_) return;
  if (connected_ || (addresses_.empty() && failures_.empty())) return break_off(why);
  failures_ += (failures_.empty() ? "" : "; ") + url_.host + ": " + why;
  if (addresses_.empty()) return break_off(failures_);
  try_next_address();
}

void LoopLink::on_ready(bool readable, bool writable) {
  if (!connected_) {
    if (const Status s = link_->finish_connect(); !s) return on_connect_failed(s.error().message);
    shake_hands();
  }
  if (writable && !broken_) pump_output();
  if (readable && !broken_) pump_input();
}

void LoopLink::shake_hands() {
  connected_ = true;
  for (const auto& words : handshake_commands(url_)) {
    link_->append(Command(words.begin(), words.end()));
    ++handshake_left_;
  }
  // Even without credentials one answer shows that a Redis is there and that it is willing.
  link_->append({"PING"});
  ++handshake_left_;
  pump_output();
}

void LoopLink::take_handshake_reply(const redisReply& reply) {
  if (refuses_to_answer(reply)) return break_off("refused: " + std::string(text_of(reply)));
  if (--handshake_left_ != 0) return;
  patience_->stop();
  callbacks_.on_ready();
}

void LoopLink::send(const Command& command) {
  if (broken_ || !link_) return;
  link_->append(command);
  flush_->request();  // commands of one turn share a write
}

void LoopLink::pump_output() {
  if (const Status s = link_->flush(); !s) return break_off(s.error().message);
  poller_->watch(true, link_->wants_write());
}

void LoopLink::pump_input() {
  const Status received = link_->receive();
  while (true) {
    auto reply = link_->next_reply();
    if (!reply) return break_off(reply.error().message);
    if (*reply == nullptr) break;
    if (handshake_left_ != 0) {
      take_handshake_reply(**reply);
    } else {
      callbacks_.on_reply(std::move(*reply));
    }
    if (broken_) return;
  }
  if (!received) return break_off(received.error().message);
  if (link_->wants_write()) pump_output();  // a TLS handshake goes on
  if (broken_) return;
  if (callbacks_.on_drained) callbacks_.on_drained();
}

void LoopLink::break_off(const std::string& why) {
  if (broken_) return;
  broken_ = true;
  if (poller_) poller_->watch(false, false);
  patience_->stop();
  callbacks_.on_broken(why);
}

}  // namespace bifrost::agent
