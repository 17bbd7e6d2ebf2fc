#include "agent/loop_link.hpp"

#include <chrono>
#include <utility>

#include "agent/master_finder.hpp"

namespace bifrost::agent {
namespace {

constexpr std::chrono::milliseconds kConnectPatience{5000};

}  // namespace

LoopLink::LoopLink(uv_loop_t* loop, RedisUrl url, Callbacks callbacks)
    : loop_(loop), url_(std::move(url)), callbacks_(std::move(callbacks)) {
  patience_ = std::make_unique<Timer>(loop_, [this] { break_off("no answer while connecting"); });
  flush_ = std::make_unique<BeforeWait>(loop_, [this] {
    if (!broken_) pump_output();
  });
  if (url_.transport != RedisUrl::Transport::kSentinel) {
    find_address();
    return;
  }
  master_ = std::make_unique<MasterFinder>(loop_, url_, [this](Result<RedisUrl> master) {
    if (!master) return break_off(master.error().message);
    url_ = std::move(*master);
    find_address();
  });
}

LoopLink::~LoopLink() = default;

void LoopLink::find_address() {
  patience_->once(kConnectPatience);
  if (url_.transport == RedisUrl::Transport::kUnix) return start();
  resolver_ = std::make_unique<Resolver>(loop_, url_.host, [this](Result<std::string> address) {
    if (!address) return break_off("cannot resolve " + url_.host + ": " + address.error().message);
    url_.host = *address;
    start();
  });
}

void LoopLink::start() {
  auto link = RedisLink::start(url_);
  if (!link) {
    // Not from inside the constructor: the owner does not have this object yet.
    patience_ = std::make_unique<Timer>(loop_, [this, why = link.error().message] { break_off(why); });
    patience_->once(std::chrono::milliseconds(0));
    return;
  }
  link_.emplace(std::move(*link));
  poller_ = std::make_unique<Poller>(loop_, link_->fd(), [this](bool r, bool w) { on_ready(r, w); });
  poller_->watch(true, true);
}

void LoopLink::on_ready(bool readable, bool writable) {
  if (!connected_) finish_connect();
  if (writable && !broken_) pump_output();
  if (readable && !broken_) pump_input();
}

void LoopLink::finish_connect() {
  if (const Status s = link_->finish_connect(); !s) return break_off(s.error().message);
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
  if (is_error(reply)) return break_off("refused: " + std::string(text_of(reply)));
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
