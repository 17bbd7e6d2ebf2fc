#include "common/telemetry/telemetry_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "common/base/segment_dir.hpp"
#include "common/base/unique_fd.hpp"

namespace bifrost {
namespace {

using Shard = std::array<std::uint64_t, kTelemetryWords>;

constexpr std::size_t kShardsTried = 8;

// Opened so that neither a link, a FIFO nor a file of another size is used.
UniqueFd open_checked(const std::string& dir, int mode) {
  UniqueFd fd(::open(path_in(dir, kTelemetryFileName).c_str(), mode | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != kTelemetryFileBytes) {
    fd.reset();
  }
  return fd;
}

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
  const std::string path = path_in(dir, kTelemetryFileName);
  const auto failed = [&] { return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)}; };
  ::unlink(path.c_str());
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return failed();
  if (::posix_fallocate(fd.get(), 0, kTelemetryFileBytes) != 0) return failed();
  if (::fchmod(fd.get(), 0660) != 0) return failed();
  return Done{};
}

void remove_telemetry_file(const std::string& dir) {
  ::unlink(path_in(dir, kTelemetryFileName).c_str());
}

std::optional<WorkerTotals> read_telemetry(const std::string& dir) {
  const UniqueFd fd = open_checked(dir, O_RDONLY);
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
  const UniqueFd fd = open_checked(dir, O_RDWR);
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
