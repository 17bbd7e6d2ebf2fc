#include "agent/follow/master_finder.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace bifrost::agent {
namespace {

constexpr std::chrono::milliseconds kPatience{5000};  // with each sentinel

}  // namespace

LoopLink::FindServer MasterFinder::for_url(uv_loop_t* loop, const RedisUrl& url) {
  if (url.transport != RedisUrl::Transport::kSentinel) return {};
  return [loop, url](LoopLink::OnFound on_found) {
    return std::make_shared<MasterFinder>(loop, url, std::move(on_found));
  };
}

MasterFinder::MasterFinder(uv_loop_t* loop, RedisUrl url, LoopLink::OnFound on_found)
    : loop_(loop), url_(std::move(url)), on_found_(std::move(on_found)), left_(sentinels_of(url_)) {
  std::reverse(left_.begin(), left_.end());
  turn_ = std::make_unique<Timer>(loop_, [this] { ask_next(); });
  turn_->once(std::chrono::milliseconds(0));
  patience_ = std::make_unique<Timer>(loop_, [this] {
    conclude(Error{ErrorCode::kUnreachable, "a sentinel did not answer in time"});
  });
}

MasterFinder::~MasterFinder() = default;

void MasterFinder::ask_next() {
  asked_.reset();
  if (newest_ || left_.empty()) return std::exchange(on_found_, nullptr)(newest_);
  const RedisUrl sentinel = std::move(left_.back());
  left_.pop_back();
  LoopLink::Callbacks callbacks;
  callbacks.on_ready = [this] { asked_->send(question_to_sentinel(url_)); };
  callbacks.on_reply = [this](Reply reply) { conclude(master_from(url_, *reply)); };
  callbacks.on_broken = [this, where = sentinel.display()](const std::string& why) {
    conclude(Error{ErrorCode::kUnreachable, "sentinel " + where + ": " + why});
  };
  asked_ = std::make_unique<LoopLink>(loop_, sentinel, std::move(callbacks));
  patience_->once(kPatience);
}

void MasterFinder::conclude(Result<RedisUrl> result) {
  patience_->stop();
  newest_ = std::move(result);
  turn_->once(std::chrono::milliseconds(0));
}

}  // namespace bifrost::agent
