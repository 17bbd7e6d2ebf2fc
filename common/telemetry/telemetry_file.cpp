#include "common/telemetry/telemetry_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "common/telemetry/worker_file.hpp"

namespace bifrost {
namespace {

using Shard = std::array<std::uint64_t, kTelemetryWords>;

constexpr std::size_t kShardsTried = 8;

constexpr WorkerFile kTelemetry{kTelemetryFileName, kTelemetryFileBytes, false};

bool lock_shard(int fd, std::size_t shard) {
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(shard * kTelemetryShardBytes);
  range.l_len = kTelemetryShardBytes;
  return ::fcntl(fd, F_OFD_SETLK, &range) == 0;  // gone with the descriptor
}

}  // namespace

Status create_telemetry_file(const std::string& dir) {
  return kTelemetry.create(dir);
}

void remove_telemetry_file(const std::string& dir) {
  kTelemetry.remove(dir);
}

std::optional<WorkerTotals> read_telemetry(const std::string& dir) {
  const UniqueFd fd = kTelemetry.open(dir, O_RDONLY);
  if (!fd.valid()) return std::nullopt;
  std::vector<Shard> shards(kTelemetryShards);
  if (::pread(fd.get(), shards.data(), kTelemetryFileBytes, 0) != static_cast<ssize_t>(kTelemetryFileBytes)) {
    return std::nullopt;
  }
  WorkerTotals totals{};
  for (const Shard& shard : shards) {
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += shard[i];
  }
  return totals;
}

bool add_telemetry(const std::string& dir, const WorkerTotals& counted) {
  const UniqueFd fd = kTelemetry.open(dir, O_RDWR);
  if (!fd.valid()) return false;
  const auto first = static_cast<std::size_t>(::getpid());
  for (std::size_t i = 0; i < kShardsTried; ++i) {
    const std::size_t number = (first + i) % kTelemetryShards;
    if (!lock_shard(fd.get(), number)) continue;
    Shard shard{};
    const auto at = static_cast<off_t>(number * kTelemetryShardBytes);
    const auto bytes = static_cast<ssize_t>(kTelemetryShardBytes);
    if (::pread(fd.get(), shard.data(), kTelemetryShardBytes, at) != bytes) return false;
    for (std::size_t word = 0; word < counted.size(); ++word) shard[word] += counted[word];
    return ::pwrite(fd.get(), shard.data(), kTelemetryShardBytes, at) == bytes;
  }
  return false;
}

}  // namespace bifrost
