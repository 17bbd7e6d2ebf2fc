#include "agent/follow/mark_trial.hpp"

#include <utility>

#include "agent/loop/log.hpp"

namespace bifrost::agent {

void MarkTrial::begin(DataConnection& data, const std::string& channel, std::function<void()> on_refused,
                      std::function<void()> on_elsewhere) {
  under_way_ = true;
  on_refused_ = std::move(on_refused);
  data.ask({"PUBLISH", channel, "0"},
           [this, on_elsewhere = std::move(on_elsewhere)](const redisReply& reply, const std::string&) {
             if (is_error(reply)) return refuse(text_of(reply));
             if (reply.integer == 0) return on_elsewhere();
             published_ = boot_now();
           });
}

void MarkTrial::succeed() {
  if (std::exchange(under_way_, false)) in_force_ = true;
}

void MarkTrial::look(BootTime now) {
  if (published_ && now.since(*published_) > kPatience) refuse("a message that was published has not come back");
}

void MarkTrial::refuse(std::string_view why) {
  if (!std::exchange(under_way_, false)) return;
  log::warn("marks_refused", {{"why", why},
                              {"then", "fences decide what was written together"},
                              {"do", "allow +publish and the channels bifrost:mark:*"}});
  on_refused_();
}

}  // namespace bifrost::agent
