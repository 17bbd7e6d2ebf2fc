#include "common/base/file_identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace bifrost {

std::optional<FileIdentity> identity_of(const std::string& path, Links links) {
  struct stat st {};
  const int flags = links == Links::kFollowed ? 0 : AT_SYMLINK_NOFOLLOW;
  if (::fstatat(AT_FDCWD, path.c_str(), &st, flags) != 0) return std::nullopt;
  return FileIdentity{st.st_dev, st.st_ino};
}

std::optional<FileIdentity> identity_of(int fd) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return std::nullopt;
  return FileIdentity{st.st_dev, st.st_ino};
}

}  // namespace bifrost
