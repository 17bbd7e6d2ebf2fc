// key_scan.hpp - a pass over the names of all keys: which page comes next, and which paths it makes doubtful.
//
// All are: the values are read next. For a synchronisation; index_walk.hpp compares later at a fraction of the cost.
// Redis is asked page by page, each from the cursor that the page before ended with. No page is asked for while many
// paths wait to be read, so that a scan never fills the memory with what it found. Knows no connection: the owner sends
// the questions and hands in the answers. One thread, the mirror's.
// (K1) At most one page is under way.
// (K2) When a scan is over, every path that Redis held from its begin to its end has been seen by Mirror::note_seen();
//      what the mirror knows beyond these has been marked, but for what was read meanwhile; and of what is retained the
//      index entry.
// (K3) Starting over costs no page: one that is under way counts for the new scan, which then begins at the start.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/follow/refresh_queue.hpp"
#include "agent/mirror/mirror.hpp"
#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/redis/redis_link.hpp"

namespace bifrost::agent {

class KeyScan {
 public:
  static constexpr std::size_t kBacklog = 20'000;  // waiting paths from which on no further page is asked for

  using Mark = std::function<void(ModulePathView path, RefreshQueue::Doubt)>;
  KeyScan(Mirror& mirror, Mark mark) : mirror_(mirror), mark_(std::move(mark)) {}

  // Replaces a scan that is running.
  void begin(BootTime now);

  // Sends the question for the next page through `ask`, if there is one to be asked while so many paths wait.
  void ask_for_page(std::size_t waiting, const std::function<void(const Command&)>& ask);
  // The answer to it, which took so long. Errors: kRefused, when it is not a page.
  Status on_page(const redisReply& page, std::chrono::nanoseconds took);

  bool running() const { return running_; }
  // Where hardly any key is a module's, pages are small, and there is a rest now and then, of which the owner tells the
  // end: keys of others must cost others neither long waits for Redis nor all of its time. From a Redis that is far
  // away pages are large all the same: each takes the way there and back.
  bool resting() const { return resting_; }
  void rested() { resting_ = false; }
  BootTime begun() const { return begun_; }  // when the newest scan began

 private:
  void pace(std::size_t modules, std::chrono::nanoseconds took);
  bool note(std::string_view key);
  void finish();

  Mirror& mirror_;
  Mark mark_;
  bool running_ = false;
  bool under_way_ = false;  // a page has been asked for
  bool resting_ = false;
  std::size_t names_asked_ = 0;  // of the page under way
  std::size_t names_next_ = 0;
  std::size_t names_since_rest_ = 0;
  int late_pages_ = 0;  // small ones in a row
  std::string cursor_;  // of the page to ask for; "": it has been asked for
  BootTime begun_;
};

}  // namespace bifrost::agent
