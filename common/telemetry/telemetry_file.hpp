// telemetry_file.hpp - what the workers of a node have counted: a file of fixed size beside the segment.
//
// It is apart from the segment because workers write it, and untrusted because workers run anybody's code: whoever may
// write it can put any numbers there, and can do nothing else with it. Nobody maps it (a file that somebody shortens
// would kill the processes that map it); everybody reads and writes it with pread and pwrite, and nothing in it is a
// length, an offset or a name. Layout, little endian: 64 shards of 32 words of 8 bytes, counter i in word i of each;
// a total is the sum over the shards, modulo 2^64.
// Concurrency: a worker adds to the first shard whose byte range it can lock without waiting.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.hpp"
#include "common/telemetry/worker_counters.hpp"

namespace bifrost {

inline constexpr char kTelemetryFileName[] = "workers.counters";
inline constexpr std::size_t kTelemetryShards = 64;
inline constexpr std::size_t kTelemetryWords = 32;
inline constexpr std::size_t kTelemetryShardBytes = kTelemetryWords * sizeof(std::uint64_t);
inline constexpr std::size_t kTelemetryFileBytes = kTelemetryShards * kTelemetryShardBytes;

using WorkerTotals = std::array<std::uint64_t, static_cast<std::size_t>(WorkerCounter::kCount)>;
static_assert(static_cast<std::size_t>(WorkerCounter::kCount) <= kTelemetryWords);

// The agent's part: a new file of zeros, writable by the directory's group; takes the place of an older one.
Status create_telemetry_file(const std::string& dir);
void remove_telemetry_file(const std::string& dir);

// Nothing when there is no such file, or it is not what it should be. Cost: four system calls, 16 KiB.
std::optional<WorkerTotals> read_telemetry(const std::string& dir);

// Adds to what the workers have counted. False when it cannot: no file, no permission, all shards busy; keep the
// numbers for the next time. Never waits. Cost: six system calls.
bool add_telemetry(const std::string& dir, const WorkerTotals& counted);

}  // namespace bifrost
