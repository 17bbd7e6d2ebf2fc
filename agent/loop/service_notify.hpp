// service_notify.hpp - systemd's notification protocol: a datagram to $NOTIFY_SOCKET.
//
// Spoken directly rather than through libsystemd, as systemd itself advises for something this small. Does nothing
// when the variable is unset. Never blocks and never fails the agent.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace bifrost::agent {

// `state` as in sd_notify(3): "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1".
void notify_service_manager(std::string_view state);

// How often systemd wants to see WATCHDOG=1; half of $WATCHDOG_USEC.
std::optional<std::chrono::milliseconds> watchdog_period();

}  // namespace bifrost::agent
