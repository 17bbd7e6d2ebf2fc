#include "tools/cachectl/interruption.hpp"

#include <atomic>
#include <csignal>

namespace bifrost::cachectl {
namespace {

std::atomic<bool> signal_seen{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // so a handler may write it

}  // namespace

void watch_for_interruption() {
  struct sigaction action {};
  action.sa_handler = [](int) {
    signal_seen.store(true, std::memory_order_relaxed);
  };                                                 // nothing else is published by it
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends the program
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  struct sigaction at_hangup {};
  ::sigaction(SIGHUP, nullptr, &at_hangup);
  if (at_hangup.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);  // or it was started by nohup
}

bool interrupted() {
  return signal_seen.load(std::memory_order_relaxed);
}

}  // namespace bifrost::cachectl
