// event_journal.hpp - what the agent did lately, for those who ask or wait for it: every line of its log from level
// info up, and each generation, whatever level the log has.
//
// Events are numbered from 1 on; the newest kKept are kept. Belongs to the loop's thread.
// (J1) Who waits is answered soon after the next event, or after kLongestEventsWait without one.
#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "agent/loop/event_loop.hpp"
#include "agent/loop/log.hpp"
#include "common/base/clock.hpp"

namespace bifrost::agent {

class EventJournal {
 public:
  static constexpr std::size_t kKept = 1000;
  static constexpr std::size_t kMostWaiters = 256;

  // Listens to the log while it lives.
  explicit EventJournal(uv_loop_t* loop);
  ~EventJournal();
  EventJournal(const EventJournal&) = delete;
  EventJournal& operator=(const EventJournal&) = delete;

  using Answer = std::function<void(std::string document)>;
  // The events after number `after`: at once if there are any, else when there are.
  void ask(std::uint64_t after, Answer answer);

 private:
  struct Event {
    std::uint64_t number;
    std::string json;
  };
  struct Waiter {
    std::uint64_t after;
    BootTime until;
    Answer answer;
  };
  void on_event(log::Level level, std::string_view name, log::Fields fields);
  std::string document_after(std::uint64_t after) const;
  void answer_waiters();

  std::deque<Event> events_;
  std::uint64_t newest_ = 0;
  std::vector<Waiter> waiters_;
  Timer soon_;  // answers in a turn of its own, and several events at once
  Timer sweep_;
};

}  // namespace bifrost::agent
