#include "agent/follow/data_connection.hpp"

#include <utility>

#include "agent/follow/master_finder.hpp"

namespace bifrost::agent {

DataConnection::DataConnection(uv_loop_t* loop, const RedisUrl& url, std::function<void()> on_ready,
                               std::function<void(std::string)> on_broken) {
  link_ = std::make_unique<LoopLink>(
      loop, url,
      LoopLink::Callbacks{std::move(on_ready), [this](Reply reply) { on_reply(std::move(reply)); }, nullptr,
                          std::move(on_broken)},
      MasterFinder::for_url(loop, url));
}

void DataConnection::expect(std::size_t skipped, std::size_t replies, OnOwnReply on_reply) {
  if (expected_.empty()) last_sign_ = boot_now();
  expected_.push_back({skipped, replies, std::move(on_reply)});
}

std::chrono::nanoseconds DataConnection::silent_for(BootTime now) const {
  return expected_.empty() ? std::chrono::nanoseconds(0) : now.since(last_sign_);
}

std::chrono::nanoseconds DataConnection::idle_for(BootTime now) const {
  return expected_.empty() ? now.since(last_sign_) : std::chrono::nanoseconds(0);
}

void DataConnection::on_reply(Reply reply) {
  last_sign_ = boot_now();
  if (expected_.empty()) return;  // nothing was asked: a server that talks nonsense is noticed by the next answer
  Expected& now = expected_.front();
  if (now.skipped != 0) {
    --now.skipped;
    if (is_error(*reply) && skipped_error_.empty()) skipped_error_ = text_of(*reply);
    return;
  }
  if (--now.replies != 0) return now.on_reply(std::move(reply), {});
  const OnOwnReply callback = std::move(now.on_reply);
  expected_.pop_front();
  const std::string error = std::exchange(skipped_error_, {});
  callback(std::move(reply), error);
}

}  // namespace bifrost::agent
