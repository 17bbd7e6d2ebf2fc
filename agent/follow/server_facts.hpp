// server_facts.hpp - what INFO and ROLE tell about the server, and what two looks at it mean together. Pure.
//
// Some commands change everything without a message: SWAPDB never announces itself, FLUSHALL, FLUSHDB and DEBUG RELOAD
// not as keyspace notifications. Redis counts every command that it executes, though, those of scripts and transactions
// included: a count that differs is the sign. See docs/design/0030-command-counts-as-canary.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.hpp"

namespace bifrost::agent {

// The commands after which everything may be gone, as people are told of them.
inline constexpr std::string_view kResetCommands = "FLUSHALL, FLUSHDB or DEBUG";

struct ServerFacts {
  std::string version;
  bool cluster = false;
  std::string run_id;       // of the process
  std::string role;         // "master" or "slave"; "" when unknown
  std::string replication;  // id of the history that it has
  bool master_link_up = true;
  // Executed so far; nothing when the server does not say.
  std::optional<std::uint64_t> swaps;   // SWAPDB
  std::optional<std::uint64_t> resets;  // kResetCommands
  // CONFIG SET; before Redis 7 every CONFIG, of which our own is one.
  std::optional<std::uint64_t> reconfigurations;
  // A master since its start, and it says that it found nothing to load then. Known from Redis 7 on.
  bool started_empty = false;
  std::chrono::seconds uptime{0};  // up to a second off, either way

  bool is_replica() const { return role == "slave"; }
};

// From the text of INFO: any sections, commandstats included.
ServerFacts facts_from_info(std::string_view info);

// That the server refuses INFO, for which `why` are its words: a clause.
std::string info_not_answered(std::string_view why);

// Why `now` is not the server that `before` was, as a clause; nothing when it is.
std::optional<std::string> another_server(const ServerFacts& before, const ServerFacts& now);

// What happened between the two looks that changes everything. With tracking, `resets` announce themselves.
enum class Sweep {
  kNone,
  kSwapped,  // SWAPDB: what is there now is the truth
  kReset,    // kResetCommands: what is not there may have been lost rather than deleted
  kDeaf,     // CONFIG SET: keyspace notifications may have been off for a while
};
Sweep swept(const ServerFacts& before, const ServerFacts& now, bool tracking);

// Whether somebody has changed a setting between the two looks. Before Redis 7 nobody knows: no.
bool reconfigured(const ServerFacts& before, const ServerFacts& now);
// Whether somebody may have. Where nothing is counted, always.
bool flags_in_doubt(const ServerFacts& before, const ServerFacts& now);

// What is known of the server from when there last was a connection: of an agent that has had none yet, the run id and
// the time that the agent before has left; 0 if that was in another boot.
struct LastContact {
  ServerFacts facts;
  BootTime synced_through;
  bool other_server = false;  // somebody has named another one since: what that lacks was never there
};

// Why what the server lacks at `at` was lost since then and not deleted, as a clause; nothing when there is no sign of
// that. docs/design/0035-lost-between-two-connections.md
std::optional<std::string> lost_since(const LastContact& last, const ServerFacts& now, BootTime at);

bool version_at_least(std::string_view version, int major, int minor);

}  // namespace bifrost::agent
