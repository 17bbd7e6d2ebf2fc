#include "agent/follow/notification_setup.hpp"

#include <string>
#include <utility>

#include "agent/follow/keyspace_flags.hpp"
#include "agent/loop/log.hpp"

namespace bifrost::agent {

void set_up_notifications(DataConnection& data, SignalChoice choice, std::function<void(Notifications)> on_done) {
  if (choice == SignalChoice::kTracking) return on_done(Notifications::kOff);
  data.ask({"CONFIG", "GET", kFlagsSetting},
           [&data, choice, on_done = std::move(on_done)](const redisReply& reply, const std::string&) {
             const auto pair = elements_of(reply);
             if (pair.size() != 2) {
               const bool by_name = choice == SignalChoice::kKeyspace || choice == SignalChoice::kBoth;
               log::info("notifications",
                         {{"enabled", by_name ? "vouched for" : "unknown"}, {"why", "CONFIG GET is not allowed"}});
               return on_done(by_name ? Notifications::kVouched : Notifications::kOff);
             }
             const std::string before(text_of(*pair[1]));
             const auto wanted = flags_to_set(before);
             if (!wanted) return on_done(Notifications::kOn);
             data.ask({"CONFIG", "SET", kFlagsSetting, *wanted},
                      [before, wanted = *wanted, on_done](const redisReply& set, const std::string&) {
                        if (is_error(set)) {
                          log::warn("notifications", {{"enabled", "no"}, {"flags", before}, {"why", text_of(set)}});
                        } else {
                          log::info("notifications_enabled", {{"flags_before", before}, {"flags", wanted}});
                        }
                        on_done(is_error(set) ? Notifications::kOff : Notifications::kOn);
                      });
           });
}

}  // namespace bifrost::agent
