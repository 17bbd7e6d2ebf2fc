#include "common/telemetry/presence_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "common/base/unique_fd.hpp"
#include "common/telemetry/worker_file.hpp"

namespace bifrost {
namespace {

using Place = std::array<std::uint64_t, kPresenceWords>;
static_assert(sizeof(Place) == kPresencePlaceBytes);

constexpr WorkerFile kPresence{kPresenceFileName, kPresenceFileBytes, true};

constexpr std::uint64_t kMostPids = 1u << 22;  // the kernel's own limit
constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;

// Tells a place that was written from zeros, from one of which half was written, and from noise.
std::uint64_t check_of(const Place& place) {
  std::uint64_t sum = kOdd;
  for (std::size_t i = 1; i < place.size(); ++i) {
    sum = (sum ^ place[i]) * kOdd;
    sum ^= sum >> 29;
  }
  return sum;
}

Place bytes_of(const Presence& p) {
  Place place = {0, p.pid, p.pid_namespace, p.generation, static_cast<std::uint64_t>(p.source), p.since.ns, p.said.ns};
  place[0] = check_of(place);
  return place;
}

std::optional<Presence> presence_in(const Place& place) {
  if (place[0] != check_of(place)) return std::nullopt;
  const Presence p{place[1],           place[2],          place[3], static_cast<PresenceSource>(place[4]),
                   BootTime{place[5]}, BootTime{place[6]}};
  const bool source_is_known = p.source >= PresenceSource::kMirror && p.source <= PresenceSource::kRedis;
  if (p.pid == 0 || p.pid > kMostPids || !source_is_known || p.since > p.said) return std::nullopt;
  return p;
}

off_t place_of(std::uint64_t pid, std::uint64_t pid_namespace) {
  // Pids of one namespace lie side by side; namespaces begin anywhere.
  const std::uint64_t number = (pid + ((pid_namespace * kOdd) >> 32)) % kPresencePlaces;
  return static_cast<off_t>(number * kPresencePlaceBytes);
}

}  // namespace

Status keep_presence_file(const std::string& dir) {
  const UniqueFd there = kPresence.open(dir, O_RDWR);
  struct stat st {};
  struct stat directory {};
  if (there.valid() && ::fstat(there.get(), &st) == 0 && ::stat(dir.c_str(), &directory) == 0) {
    const gid_t group = (directory.st_mode & S_ISGID) != 0 ? directory.st_gid : ::getegid();
    if (st.st_uid == ::geteuid() && st.st_gid == group) return Done{};
  }
  return kPresence.create(dir);
}

void remove_presence_file(const std::string& dir) {
  kPresence.remove(dir);
}

bool write_presence(const std::string& dir, const Presence& presence) {
  const UniqueFd fd = kPresence.open(dir, O_WRONLY);
  if (!fd.valid()) return false;
  const Place place = bytes_of(presence);
  return ::pwrite(fd.get(), place.data(), sizeof(place), place_of(presence.pid, presence.pid_namespace)) ==
         static_cast<ssize_t>(sizeof(place));
}

void clear_presence(const std::string& dir, std::uint64_t pid, std::uint64_t pid_namespace) {
  const UniqueFd fd = kPresence.open(dir, O_RDWR);
  if (!fd.valid()) return;
  const off_t at = place_of(pid, pid_namespace);
  Place place{};
  if (::pread(fd.get(), place.data(), sizeof(place), at) != static_cast<ssize_t>(sizeof(place))) return;
  if (place[1] != pid || place[2] != pid_namespace) return;
  place = {};
  // Nothing depends on it: who reads the table sees that the process is gone.
  static_cast<void>(::pwrite(fd.get(), place.data(), sizeof(place), at) == 0);
}

std::optional<std::vector<Presence>> read_presence(const std::string& dir) {
  const UniqueFd fd = kPresence.open(dir, O_RDONLY);
  if (!fd.valid()) return std::nullopt;
  std::vector<Place> places(kPresencePlaces);
  if (::pread(fd.get(), places.data(), kPresenceFileBytes, 0) != static_cast<ssize_t>(kPresenceFileBytes)) {
    return std::nullopt;
  }
  std::vector<Presence> found;
  const BootTime now = boot_now();
  for (const Place& place : places) {
    const auto presence = presence_in(place);
    if (presence && presence->said <= now) found.push_back(*presence);
  }
  return found;
}

std::uint64_t own_pid_namespace() {
  struct stat st {};
  return ::stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

bool still_runs(const Presence& presence) {
  const UniqueFd fd(::open(("/proc/" + std::to_string(presence.pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t bytes = fd.valid() ? ::read(fd.get(), text.data(), text.size()) : -1;
  if (bytes <= 0) return false;
  std::string_view rest(text.data(), static_cast<std::size_t>(bytes));
  // Field 2 is a name in brackets, and may hold anything; field 3 is the state, field 22 the start in clock ticks.
  const std::size_t bracket = rest.rfind(')');
  if (bracket == std::string_view::npos || bracket + 2 >= rest.size()) return false;
  rest.remove_prefix(bracket + 2);
  if (rest.front() == 'Z' || rest.front() == 'X') return false;
  for (int field = 3; field < 22; ++field) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return false;
    rest.remove_prefix(space + 1);
  }
  const std::uint64_t ticks = std::strtoull(std::string(rest.substr(0, 20)).c_str(), nullptr, 10);
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return ticks / per_second <= presence.said.ns / 1'000'000'000;
}

}  // namespace bifrost
