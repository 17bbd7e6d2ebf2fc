#include "agent/serve/event_journal.hpp"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/loop/unix_time.hpp"
#include "agent/serve/json_document.hpp"
#include "common/control/control_protocol.hpp"

namespace bifrost::agent {
namespace {

using nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr milliseconds kGather{5};
constexpr milliseconds kSweep{1000};

}  // namespace

EventJournal::EventJournal(uv_loop_t* loop)
    : soon_(loop, [this] { answer_waiters(); }), sweep_(loop, [this] { answer_waiters(); }) {
  log::set_listener(
      [this](log::Level level, std::string_view name, log::Fields fields) { on_event(level, name, fields); });
  sweep_.every(kSweep);
}

EventJournal::~EventJournal() {
  log::set_listener({});
}

void EventJournal::on_event(log::Level level, std::string_view name, log::Fields fields) {
  if (level == log::Level::kDebug && name != "commit") return;
  ordered_json event = {{"number", ++newest_}, {"unix_ms", unix_ms()}, {"level", log::name_of(level)}, {"event", name}};
  for (const auto& [key, value] : fields) {
    if (value.is_number()) {
      event[std::string(key)] = ordered_json::parse(value.text());
    } else {
      event[std::string(key)] = value.text();
    }
  }
  events_.push_back({newest_, one_line(event)});
  if (events_.size() > kKept) events_.pop_front();
  if (!waiters_.empty()) soon_.once(kGather);
}

std::string EventJournal::document_after(std::uint64_t after) const {
  std::string events;
  for (const Event& event : events_) {
    if (event.number > after) events += (events.empty() ? "" : ",") + event.json;
  }
  return fmt::format(R"({{"newest":{},"events":[{}]}})", newest_, events);
}

void EventJournal::ask(std::uint64_t after, Answer answer) {
  const bool anew = after > newest_;  // of the agent before: this one has begun to count again
  if (after < newest_ || anew || waiters_.size() >= kMostWaiters) return answer(document_after(anew ? 0 : after));
  waiters_.push_back({after, boot_now() + control::kLongestEventsWait, std::move(answer)});
}

void EventJournal::answer_waiters() {
  const BootTime now = boot_now();
  std::vector<Waiter> waiting = std::exchange(waiters_, {});
  for (Waiter& waiter : waiting) {
    if (waiter.after < newest_ || now >= waiter.until) {
      waiter.answer(document_after(waiter.after));
    } else {
      waiters_.push_back(std::move(waiter));
    }
  }
}

}  // namespace bifrost::agent
