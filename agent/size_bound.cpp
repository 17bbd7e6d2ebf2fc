#include "agent/size_bound.hpp"

#include <sys/statvfs.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace bifrost::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMost = std::uint64_t{4} << 30;

std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;  // no such file, or "max"
}

// The tightest limit from the group up to the root of the hierarchy.
std::optional<std::uint64_t> limit_along(const fs::path& hierarchy, fs::path group, const char* name) {
  std::optional<std::uint64_t> least;
  for (int depth = 0; depth < 64; ++depth) {
    const auto limit = number_in(hierarchy / group.relative_path() / name);
    if (limit && (!least || *limit < *least)) least = limit;
    if (!group.has_relative_path()) break;
    group = group.parent_path();
  }
  return least;
}

std::optional<std::uint64_t> cgroup_limit() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // hierarchy:controllers:path; version 2 is hierarchy 0 without controllers.
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    if (controllers.empty()) {
      if (const auto limit = limit_along("/sys/fs/cgroup", group, "memory.max")) return limit;
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      if (const auto limit = limit_along("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes")) return limit;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> file_system_bytes(fs::path dir) {
  std::error_code error;
  while (!fs::exists(dir, error) && dir.has_relative_path()) dir = dir.parent_path();
  struct statvfs st {};
  if (::statvfs(dir.c_str(), &st) != 0 || st.f_blocks == 0) return std::nullopt;
  return std::uint64_t{st.f_blocks} * st.f_frsize;
}

}  // namespace

SizeBound default_max_size(const std::string& segment_dir) {
  SizeBound bound{kMost, "4 GiB"};
  const auto lower = [&bound](std::uint64_t bytes, const std::string& why) {
    if (bytes < bound.bytes) bound = {bytes, why};
  };
  if (const auto all = file_system_bytes(segment_dir)) lower(*all / 4 * 3, "three quarters of the file system");
  if (const auto limit = cgroup_limit()) lower(*limit / 2, "half of the control group's memory limit");
  return bound;
}

}  // namespace bifrost::agent
