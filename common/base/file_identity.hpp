// file_identity.hpp - which file a name means, to notice that it means another one by now. Cost: one system call each.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace bifrost {

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

// Nothing when there is no such file. A link is itself, or what it leads to.
enum class Links { kThemselves, kFollowed };
std::optional<FileIdentity> identity_of(const std::string& path, Links links = Links::kThemselves);
// Of an open file; nothing when the descriptor is none.
std::optional<FileIdentity> identity_of(int fd);

}  // namespace bifrost
