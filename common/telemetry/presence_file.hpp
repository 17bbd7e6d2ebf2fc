// presence_file.hpp - which worker processes have begun an execution, and of which generation: a table of fixed size
// beside the segment. It is what workers say, like the telemetry file, and untrusted for the same reason: whoever may
// write it can put anything there, and can do nothing else with it.
//
// Nobody maps it; a process writes its own place with one pwrite and everybody reads the table with one pread. Nothing
// in it is a length, an offset or a name. Which place is a process' own follows from its pid and its pid namespace, so
// nobody searches, waits or locks; two processes that meet in a place show as one.
// Layout, little endian: 1024 places of 8 words of 8 bytes: check, pid, pid namespace, generation, source, since, said,
// 0. A place whose check does not fit the other words is empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"

namespace bifrost {

inline constexpr char kPresenceFileName[] = "workers.present";
inline constexpr std::size_t kPresencePlaces = 1024;
inline constexpr std::size_t kPresenceWords = 8;
inline constexpr std::size_t kPresencePlaceBytes = kPresenceWords * sizeof(std::uint64_t);
inline constexpr std::size_t kPresenceFileBytes = kPresencePlaces * kPresencePlaceBytes;

// Where an execution's modules come from.
enum class PresenceSource : std::uint64_t { kMirror = 1, kStale = 2, kRedis = 3 };

struct Presence {
  std::uint64_t pid = 0;            // in its own namespace
  std::uint64_t pid_namespace = 0;  // inode; 0: unknown
  std::uint64_t generation = 0;     // 0: no snapshot
  PresenceSource source = PresenceSource::kMirror;
  BootTime since;  // the execution's beginning
  BootTime said;   // when this was written

  bool operator==(const Presence&) const = default;
};

// The agent's part: a file of the right size, owner and group stays as it is, so that running workers go on to be
// known.
Status keep_presence_file(const std::string& dir);
void remove_presence_file(const std::string& dir);

// The place of `presence` holds it, whoever was there. False when it cannot: no file, no permission. Never waits.
// Cost: four system calls.
bool write_presence(const std::string& dir, const Presence& presence);
// Empties the place, if it is still that process'.
void clear_presence(const std::string& dir, std::uint64_t pid, std::uint64_t pid_namespace);

// What is well-formed. Nothing when there is no such file, or it is not what it should be.
std::optional<std::vector<Presence>> read_presence(const std::string& dir);

// The caller's own; 0: /proc does not say.
std::uint64_t own_pid_namespace();
// Whether the process that said this still runs: its pid is not one that was given out again since. Only for a pid of
// the caller's own namespace.
bool still_runs(const Presence& presence);

}  // namespace bifrost
