// notification_setup.hpp - makes the server send the keyspace notifications that the mirror needs, where it may.
#pragma once

#include <functional>

#include "agent/follow/change_stream.hpp"
#include "agent/follow/data_connection.hpp"

namespace bifrost::agent {

enum class Notifications {
  kOff,      // they are not sent, or nobody knows
  kOn,       // they are sent, and CONFIG GET will tell if that ends
  kVouched,  // CONFIG is not allowed; whoever asked for them by name vouches for the server's configuration
};

// Adds the flags that are missing and removes none.
void set_up_notifications(DataConnection& data, SignalChoice choice, std::function<void(Notifications)> on_done);

}  // namespace bifrost::agent
