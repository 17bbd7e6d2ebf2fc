// segment_dir.hpp - the names inside a segment directory (BIFROST_SEGMENT_DIR).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bifrost {

// Where the segment is when nothing else is said, if the directory exists.
inline constexpr std::string_view kStandardSegmentDir = "/run/bifrost";

inline constexpr std::string_view kSegmentFileName = "segment";
inline constexpr std::string_view kChunkFilePrefix = "chunk.";
inline constexpr std::string_view kControlSocketName = "control.sock";
inline constexpr std::string_view kLockFileName = "agent.lock";

inline std::string chunk_file_name(std::uint64_t number) {
  return std::string(kChunkFilePrefix) + std::to_string(number);
}

inline std::string path_in(std::string_view dir, std::string_view name) {
  std::string path(dir);
  if (path.empty() || path.back() != '/') path.push_back('/');
  return path.append(name);
}

}  // namespace bifrost
