#include "shim/core/presence.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace bifrost {
namespace {

constexpr std::chrono::seconds kPresencePeriod(1);

PresenceSource source_of(Authority authority) {
  switch (authority) {
    case Authority::kMirror: return PresenceSource::kMirror;
    case Authority::kStale: return PresenceSource::kStale;
    default: return PresenceSource::kRedis;
  }
}

}  // namespace

void PresenceReport::say(const View& view) {
  if (!enabled_ || !view.pinned) return;
  const PresenceSource source = source_of(view.authority);
  const std::uint64_t generation = source == PresenceSource::kRedis ? 0 : view.generation().value;
  const BootTime now = boot_now();
  const BootTime said{said_ns_.load(std::memory_order_relaxed)};
  if (said.ns != 0 && generation_.load(std::memory_order_relaxed) == generation && now.since(said) < kPresencePeriod)
    return;
  // Found once: a process does not change its namespace.
  if (namespace_.load(std::memory_order_relaxed) == 0) namespace_.store(own_pid_namespace(), std::memory_order_relaxed);
  generation_.store(generation, std::memory_order_relaxed);
  said_ns_.store(now.ns, std::memory_order_relaxed);
  write_presence(dir_, {static_cast<std::uint64_t>(::getpid()), namespace_.load(std::memory_order_relaxed), generation,
                        source, std::min(view.pinned_at, now), now});
}

void PresenceReport::leave() {
  if (said_ns_.exchange(0, std::memory_order_relaxed) == 0) return;
  clear_presence(dir_, static_cast<std::uint64_t>(::getpid()), namespace_.load(std::memory_order_relaxed));
}

}  // namespace bifrost
