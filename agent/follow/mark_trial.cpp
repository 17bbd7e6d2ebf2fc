#include "agent/follow/mark_trial.hpp"

#include <utility>

#include "agent/loop/log.hpp"

namespace bifrost::agent {

void MarkTrial::begin(DataConnection& data, const std::string& channel, std::function<void()> on_refused) {
  begun_ = boot_now();
  on_refused_ = std::move(on_refused);
  data.ask({"PUBLISH", channel, "0"}, [this](const redisReply& reply, const std::string&) {
    if (is_error(reply)) refuse(text_of(reply));
  });
}

void MarkTrial::succeed() {
  if (std::exchange(begun_, std::nullopt)) in_force_ = true;
}

void MarkTrial::look(BootTime now) {
  if (begun_ && now.since(*begun_) > kPatience) refuse("a message that was published has not come back");
}

void MarkTrial::refuse(std::string_view why) {
  if (!std::exchange(begun_, std::nullopt)) return;
  log::warn("marks_refused", {{"why", why},
                              {"then", "fences decide what was written together"},
                              {"do", "allow +publish and the channels bifrost:mark:*"}});
  on_refused_();
}

}  // namespace bifrost::agent
