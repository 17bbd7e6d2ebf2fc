#include "agent/follow/server_watch.hpp"

#include <memory>
#include <utility>

#include "agent/follow/keyspace_flags.hpp"
#include "agent/loop/log.hpp"

namespace bifrost::agent {

void ServerWatch::begin(std::function<void(const ServerFacts&)> on_facts) {
  looking_since_ = boot_now();
  data_.ask({"INFO", "server"}, [this, on_facts = std::move(on_facts)](const redisReply& reply, const std::string&) {
    if (is_error(reply)) {
      if (!is_not_to_be_had(reply)) return callbacks_.on_unusable(info_not_answered(text_of(reply)));
      info_refused_ = true;
      log::warn("info_refused", {{"why", text_of(reply)},
                                 {"then", "SWAPDB is not noticed, nor, without marks, an address of two servers"},
                                 {"do", "allow +info"}});
    }
    before_ = facts_from_info(text_of(reply));  // the version decides how the rest is asked for
    ask_info(true, [this, on_facts](const ServerFacts& facts) {
      before_ = facts;
      const BootTime since = *std::exchange(looking_since_, std::nullopt);
      if (master_answers(facts)) vouched_until_ = since;
      if (facts.is_replica())
        log::warn("replica", {{"why", "this server follows another: point the agent at the master"}});
      on_facts(facts);
    });
  });
}

// Several sections in one INFO are understood from Redis 7 on, and only there `persistence` says what was loaded.
// Without INFO, ROLE may still be allowed.
void ServerWatch::ask_info(bool first, std::function<void(const ServerFacts&)> on_facts) {
  if (info_refused_) {
    data_.ask({"ROLE"}, [on_facts = std::move(on_facts)](const redisReply& reply, const std::string&) {
      ServerFacts facts;
      const auto parts = elements_of(reply);
      if (!parts.empty()) facts.role = text_of(*parts[0]);
      if (facts.is_replica() && parts.size() >= 4) facts.master_link_up = text_of(*parts[3]) == "connected";
      on_facts(facts);
    });
    return;
  }
  const auto text = std::make_shared<std::string>();
  const auto take = [this, text, on_facts = std::move(on_facts)](bool last) {
    return [this, text, on_facts, last](const redisReply& reply, const std::string&) {
      if (is_error(reply)) return callbacks_.on_unusable(info_not_answered(text_of(reply)));
      *text += text_of(reply);
      *text += '\n';
      if (last) on_facts(facts_from_info(*text));
    };
  };
  if (version_at_least(before_.version, 7, 0)) {
    Command info{"INFO", "server", "replication", "cluster", "commandstats"};
    if (first) info.push_back("persistence");
    return data_.ask(info, take(true));
  }
  for (const std::string_view section : {"server", "replication", "cluster"}) data_.ask({"INFO", section}, take(false));
  data_.ask({"INFO", "commandstats"}, take(true));
}

void ServerWatch::watch_flags() {
  watching_flags_ = true;
  // To set them was a CONFIG SET too.
  ask_info(false, [this](const ServerFacts& now) { before_.reconfigurations = now.reconfigurations; });
  ask_flags([] {});
}

void ServerWatch::look(bool tracking) {
  if (looking()) return;
  looking_since_ = boot_now();
  ask_info(false, [this, tracking](const ServerFacts& now) {
    if (!watching_flags_ || !flags_in_doubt(before_, now)) return judge(now, tracking);
    ask_flags([this, now, tracking] { judge(now, tracking); });
  });
}

void ServerWatch::ask_for_info_again() {
  if (!info_refused_) return;
  data_.ask({"INFO", "server"}, [this](const redisReply& reply, const std::string&) {
    if (!is_error(reply)) callbacks_.on_unusable("INFO is allowed by now");
  });
}

void ServerWatch::ask_flags(std::function<void()> on_sufficient) {
  data_.ask({"CONFIG", "GET", kFlagsSetting},
            [this, on_sufficient = std::move(on_sufficient)](const redisReply& reply, const std::string&) {
              const auto pair = elements_of(reply);
              if (pair.size() != 2) {
                return callbacks_.on_unusable("CONFIG GET is not answered any more: " + std::string(text_of(reply)));
              }
              if (has_needed_flags(text_of(*pair[1]))) return on_sufficient();
              callbacks_.on_unusable("somebody changed " + std::string(kFlagsSetting) + " to `" +
                                     std::string(text_of(*pair[1])) + "`");
            });
}

// A replica that hears nothing of its master may be behind by any amount, or have nothing yet: no lease.
bool ServerWatch::master_answers(const ServerFacts& facts) {
  const bool was_up = std::exchange(link_was_up_, facts.master_link_up);
  if (was_up && !facts.master_link_up) log::warn("replica_cut_off", {{"why", "its link to the master is down"}});
  return facts.master_link_up;
}

void ServerWatch::judge(const ServerFacts& now, bool tracking) {
  const BootTime since = *std::exchange(looking_since_, std::nullopt);
  const ServerFacts before = std::exchange(before_, now);
  if (const auto why = another_server(before, now)) return callbacks_.on_unusable(*why);
  const bool vouched = master_answers(now);
  if (vouched) vouched_until_ = since;
  if (const Sweep sweep = swept(before, now, tracking); sweep != Sweep::kNone) return callbacks_.on_swept(sweep);
  if (watching_flags_ && reconfigured(before, now)) return callbacks_.on_swept(Sweep::kDeaf);
  if (vouched) callbacks_.on_clean();
}

}  // namespace bifrost::agent
