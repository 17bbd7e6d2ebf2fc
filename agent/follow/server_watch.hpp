// server_watch.hpp - is it still the same server, and has it done anything that no message tells of?
//
// Asks INFO with every heartbeat, and the notification flags after it where that is allowed and they may have changed.
// The lease of the mirror reaches no further than the last look that found nothing: so SWAPDB, a changed role and
// notifications that somebody switched off are noticed within one lease. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/follow/data_connection.hpp"
#include "agent/follow/server_facts.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class ServerWatch {
 public:
  struct Callbacks {
    std::function<void(std::string why)> on_unusable;  // another server or role, or notifications are off: start over
    std::function<void(Sweep)> on_swept;               // everything may have changed: read it again
    std::function<void()> on_clean;                    // a look found nothing
  };

  ServerWatch(DataConnection& data, Callbacks callbacks) : data_(data), callbacks_(std::move(callbacks)) {}

  // The look that the later ones are compared with; must answer before the first key is read.
  void begin(std::function<void(const ServerFacts&)> on_facts);
  // From now on the flags of keyspace notifications must stay sufficient; before the first key is read. Only where
  // CONFIG GET is allowed.
  void watch_flags();

  // One more look, unless one is under way.
  void look(bool tracking);
  // Where it was refused: somebody may have mended the user's rights. Each refusal is an entry in Redis' ACL LOG.
  void ask_for_info_again();
  bool looking() const { return looking_since_.has_value(); }

  // As of the newest look.
  const ServerFacts& facts() const { return before_; }
  // A replica that hears nothing of its master.
  bool cut_off() const { return !link_was_up_; }

  // When the newest look was sent that found nothing. Nothing unheard-of had happened by then. No value: none has,
  // since a replica has not reached its master yet.
  std::optional<BootTime> vouched_until() const { return vouched_until_; }

 private:
  void ask_info(bool first, std::function<void(const ServerFacts&)> on_facts);
  void ask_flags(std::function<void()> on_sufficient);
  bool master_answers(const ServerFacts& facts);
  void judge(const ServerFacts& now, bool tracking);

  DataConnection& data_;
  Callbacks callbacks_;
  ServerFacts before_;
  bool info_refused_ = false;  // ROLE tells something
  bool watching_flags_ = false;
  bool link_was_up_ = true;
  std::optional<BootTime> looking_since_;
  std::optional<BootTime> vouched_until_;
};

}  // namespace bifrost::agent
