#include "agent/follow/change_stream.hpp"

#include <charconv>
#include <utility>

#include "agent/follow/mark_channel.hpp"
#include "agent/follow/server_facts.hpp"
#include "agent/loop/log.hpp"
#include "common/redis/contract.hpp"

namespace bifrost::agent {
namespace {

constexpr std::size_t kMostNotified = 100'000;  // anybody may publish on the channel; beyond it a key is read once more
constexpr std::string_view kInvalidateChannel = "__redis__:invalidate";

// Events after which a module that is gone was meant to go.
bool is_deletion(std::string_view event) {
  return event == "del" || event == "rename_from" || event == "move_from";
}

// Events after which the value is what it was, or is gone.
bool is_no_write(std::string_view event) {
  return event == "expire" || event == "persist" || event == "expired" || event == "evicted";
}

// Writers SET, and list what they have written; RESTORE, COPY, APPEND and the like are other people's.
RefreshQueue::Doubt doubt_by(std::string_view event) {
  using Doubt = RefreshQueue::Doubt;
  if (is_deletion(event)) return Doubt::kDeleted;
  if (event == "set") return Doubt::kWritten;
  return is_no_write(event) ? Doubt::kChanged : Doubt::kTouched;
}

// Our own reads raise these when somebody has switched them on: reading again would never end.
bool is_echo(std::string_view event) {
  return event == "keymiss";
}

}  // namespace

ChangeStream::ChangeStream(uv_loop_t* loop, const RedisUrl& url, std::string run_id, SignalChoice choice,
                           bool keyspace_enabled, Callbacks callbacks)
    : url_(url),
      run_id_(std::move(run_id)),
      choice_(choice),
      keyspace_(keyspace_enabled && choice != SignalChoice::kTracking),
      mark_channel_(new_mark_channel()),
      keyspace_prefix_("__keyspace@" + std::to_string(url.db) + "__:"),
      callbacks_(std::move(callbacks)) {
  keyspace_pattern_ = keyspace_prefix_ + std::string(contract::kPrefix) + "*";
  link_ =
      std::make_unique<LoopLink>(loop, url_,
                                 LoopLink::Callbacks{[this] { handshake(); }, [this](Reply reply) { on_reply(*reply); },
                                                     [this] { callbacks_.on_drained(); },
                                                     [this](const std::string& why) { callbacks_.on_broken(why); }});
}

// A subscribed RESP2 connection accepts hardly any other command than PING, so that these come first.
void ChangeStream::handshake() {
  if (run_id_.empty()) return ask_for_signals();
  link_->send({"INFO", "server"});
}

void ChangeStream::on_server(const redisReply& reply) {
  if (facts_from_info(text_of(reply)).run_id == run_id_) return ask_for_signals();
  callbacks_.on_broken(is_error(reply) ? info_not_answered(text_of(reply)) : std::string(kAnotherServer));
}

void ChangeStream::ask_for_signals() {
  if (choice_ == SignalChoice::kKeyspace) return subscribe();
  step_ = Step::kClientId;
  link_->send({"CLIENT", "ID"});
}

void ChangeStream::on_reply(const redisReply& reply) {
  switch (step_) {
    case Step::kServer: return on_server(reply);
    case Step::kClientId: return on_client_id(reply);
    case Step::kTracking: return on_tracking(reply);
    case Step::kSubscribing:
    case Step::kLive: return on_message(reply);
  }
}

void ChangeStream::on_client_id(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_INTEGER) {
    tracking_ = false;
    return subscribe();
  }
  step_ = Step::kTracking;
  link_->send(
      {"CLIENT", "TRACKING", "ON", "REDIRECT", std::to_string(reply.integer), "BCAST", "PREFIX", contract::kPrefix});
}

void ChangeStream::on_tracking(const redisReply& reply) {
  tracking_ = !is_error(reply);
  subscribe();
}

// Whether what is left of the signals is what was asked for; ends the stream otherwise.
bool ChangeStream::sufficient() {
  const bool enough = choice_ == SignalChoice::kBoth ? keyspace_ && tracking_ : keyspace_ || tracking_;
  if (enough) return true;
  callbacks_.on_broken(
      std::string("Redis grants no way to hear of changes: ") +
      (keyspace_ ? "" : "notify-keyspace-events lacks `KA` and may not be set, or PSUBSCRIBE was refused; ") +
      (tracking_ ? "" : "CLIENT TRACKING was refused or not asked for; ") +
      "set notify-keyspace-events to KA, or allow +client|tracking");
  return false;
}

void ChangeStream::subscribe() {
  if (!sufficient()) return;
  step_ = Step::kSubscribing;
  if (tracking_) {
    link_->send({"SUBSCRIBE", kInvalidateChannel});
    unconfirmed_.push_back(&tracking_);
  }
  if (keyspace_) {
    link_->send({"PSUBSCRIBE", keyspace_pattern_});
    unconfirmed_.push_back(&keyspace_);
    marks_ = true;
    link_->send({"SUBSCRIBE", mark_channel_});
    unconfirmed_.push_back(&marks_);
  }
}

// A refusal (the ACL's channels) takes one signal away; the other may be enough.
void ChangeStream::on_confirmation(const redisReply& reply) {
  bool& signal = *unconfirmed_.front();
  unconfirmed_.pop_front();
  if (is_error(reply)) {
    log::warn("subscription_refused", {{"signal", &signal == &keyspace_ ? "keyspace"
                                                  : &signal == &marks_  ? "marks"
                                                                        : "tracking"},
                                       {"why", text_of(reply)}});
    signal = false;
    if (!sufficient()) return;
  }
  if (!unconfirmed_.empty()) return;
  step_ = Step::kLive;
  callbacks_.on_live();
}

// Messages are told apart by their first element and their length; a PONG is an array of two on this connection.
void ChangeStream::on_message(const redisReply& reply) {
  const auto parts = elements_of(reply);
  const std::string_view what = parts.empty() || !is_string(*parts[0]) ? std::string_view{} : text_of(*parts[0]);
  if (what == "pmessage" && parts.size() == 4) return on_keyspace_event(text_of(*parts[2]), text_of(*parts[3]));
  index_.on_something_else();
  if (what == "message" && parts.size() == 3) {
    return text_of(*parts[1]) == mark_channel_ ? on_mark(text_of(*parts[2])) : on_invalidation(*parts[2]);
  }
  if (what == "pong" || is_misconf(reply)) return on_pong();
  if (step_ == Step::kSubscribing && (is_error(reply) || what == "subscribe" || what == "psubscribe")) {
    return on_confirmation(reply);
  }
  if (is_error(reply)) callbacks_.on_broken("the subscription was refused: " + std::string(text_of(reply)));
}

void ChangeStream::on_keyspace_event(std::string_view channel, std::string_view event) {
  if (is_echo(event) || channel.substr(0, keyspace_prefix_.size()) != keyspace_prefix_) return;
  const std::string_view key = channel.substr(keyspace_prefix_.size());
  if (key == contract::kIndexKey) return on_index_event(event);
  index_.on_something_else();
  switch (contract::classify(key)) {
    case contract::KeyClass::kModule:
      if (tracking_ && notified_.size() < kMostNotified) notified_.emplace(key);
      return on_module_key(key, doubt_by(event));
    case contract::KeyClass::kIndex: return;
    case contract::KeyClass::kDeploying: return callbacks_.on_deploying();
    case contract::KeyClass::kIgnored: return callbacks_.on_ignored();
  }
}

// An addition takes nothing away: what it adds has an event of its own.
void ChangeStream::on_index_event(std::string_view event) {
  if (const IndexNews news = index_.on_event(event); news != IndexNews::kNone) callbacks_.on_index(news);
}

// Anybody may publish: what is not a number of ours counts as none.
void ChangeStream::on_mark(std::string_view number) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error == std::errc() && end == number.data() + number.size()) callbacks_.on_mark(value);
}

void ChangeStream::on_invalidation(const redisReply& keys) {
  if (is_nil(keys)) return callbacks_.on_everything();
  for (const redisReply* element : elements_of(keys)) {
    const std::string_view key = text_of(*element);
    switch (contract::classify(key)) {
      case contract::KeyClass::kModule:
        on_module_key(key, was_notified_of(key) ? RefreshQueue::Doubt::kUnspecific : RefreshQueue::Doubt::kTouched);
        break;
      case contract::KeyClass::kIndex:
        // The notification says whether anything was removed; this message does not, nor in which database that was.
        if (!keyspace_ && key == contract::kIndexKey) callbacks_.on_index(IndexNews::kRemoved);
        break;
      case contract::KeyClass::kDeploying: callbacks_.on_deploying(); break;
      case contract::KeyClass::kIgnored: callbacks_.on_ignored(); break;
    }
  }
}

bool ChangeStream::was_notified_of(std::string_view key) {
  return notified_.erase(std::string(key)) != 0;
}

void ChangeStream::on_module_key(std::string_view key, RefreshQueue::Doubt doubt) {
  const auto path = contract::path_of(key);
  path ? callbacks_.on_module(*path, doubt) : callbacks_.on_refused(contract::spelled_path_of(key), path.error());
}

void ChangeStream::ping(bool notifies, BootTime now) {
  pongs_due_ = tracking_ && !(keyspace_ && notifies) ? 2 : 1;
  send_ping(now);
}

void ChangeStream::send_ping(BootTime now) {
  pinged_ = now;
  link_->send({"PING"});
}

void ChangeStream::on_pong() {
  pinged_.reset();
  --pongs_due_ > 0 ? send_ping(boot_now()) : callbacks_.on_pong();
}

std::chrono::nanoseconds ChangeStream::silent_for(BootTime now) const {
  return pinged_ ? now.since(*pinged_) : std::chrono::nanoseconds{};
}

}  // namespace bifrost::agent
