// counters.hpp - every counter the agent keeps, defined once: name, unit, help.
//
// They live in the segment's control block (one word each, written by the agent only, relaxed: a reader wants a recent
// number, not an ordered one). Tools and documents take names and texts from here.
// New counters go at the end: the position is the layout.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/layout/segment_layout.hpp"

namespace bifrost {

#define BIFROST_COUNTERS(X)                                                                                           \
  X(kEvents, "events_total", "events", "change messages received from Redis")                                         \
  X(kEventsIgnored, "events_ignored_total", "events", "messages about keys that are not modules")                     \
  X(kRereads, "rereads_total", "reads", "values read again because of a message or a sync")                           \
  X(kRereadBytes, "reread_bytes_total", "bytes", "bytes of values read from Redis")                                   \
  X(kUpdates, "updates_total", "modules", "versions published")                                                       \
  X(kDeletes, "deletes_total", "modules", "deletions published")                                                      \
  X(kUnchanged, "unchanged_total", "reads", "re-reads that found what was already mirrored")                          \
  X(kRejected, "rejected_total", "modules", "values that cannot be mirrored")                                         \
  X(kRetainedTotal, "retained_total", "modules", "keys that vanished from Redis and were kept")                       \
  X(kCommits, "commits_total", "generations", "generations published")                                                \
  X(kGroupGiveups, "group_giveups_total", "generations", "generations published although more changes kept arriving") \
  X(kFences, "fences_total", "fences", "PINGs answered on the subscription connection")                               \
  X(kFenceRequests, "fence_requests_total", "requests", "fences asked for by workers and tools")                      \
  X(kResyncs, "resyncs_total", "syncs", "full synchronisations")                                                      \
  X(kReconnects, "redis_reconnects_total", "connections", "connections in sync with Redis that were lost")            \
  X(kRoots, "segment_roots_total", "roots", "slot tables published, larger or without dropped slots")                 \
  X(kHistoryGivenUp, "history_given_up_total", "times", "times old versions were given up before --history")          \
  X(kNoSpace, "no_space_total", "modules", "modules that did not fit at the maximum size")                            \
  X(kControlRefused, "control_refused_total", "clients", "control clients turned away")                               \
  X(kBadPaths, "bad_paths_total", "keys", "module keys met whose path no module can have")                            \
  X(kCodeCompiled, "code_compiled_total", "modules", "modules compiled, once per interpreter")                        \
  X(kCodeFailed, "code_failed_total", "modules", "modules that workers have to compile, because it failed here")      \
  X(kCodeDropped, "code_dropped_total", "modules", "compiled code given up for lack of room")                         \
  X(kCodeOutdated, "code_outdated_total", "modules", "compiled code whose source had changed meanwhile")              \
  X(kHelperRestarts, "code_helper_restarts_total", "processes", "compile helpers that ended and were started again")  \
  X(kCutRetries, "cut_retries_total", "transactions",                                                                 \
    "re-reads that did not end at a whole state: one more was needed")                                                \
  X(kServerRefusals, "server_refusals_total", "reads",                                                                \
    "re-reads that Redis refused: by NOPERM, OOM, LOADING and the like")                                              \
  X(kIndexLosses, "index_losses_total", "times", "times the index vanished without its members being removed")        \
  X(kDeploysOverdue, "deploys_overdue_total", "deploys", "deploys that were no longer waited for after ten minutes")

enum class Counter : std::uint64_t {
#define X(id, name, unit, help) id,
  BIFROST_COUNTERS(X)
#undef X
      kCount
};
static_assert(static_cast<std::uint64_t>(Counter::kCount) <= layout::control::kCounterCapacity);

struct CounterInfo {
  std::string_view name;
  std::string_view unit;
  std::string_view help;
};

inline constexpr std::array<CounterInfo, static_cast<std::size_t>(Counter::kCount)> kCounterInfo = {{
#define X(id, name, unit, help) {name, unit, help},
    BIFROST_COUNTERS(X)
#undef X
}};

constexpr std::uint64_t counter_offset(Counter c) {
  return layout::control::kCounters + static_cast<std::uint64_t>(c) * layout::kWordBytes;
}

}  // namespace bifrost
