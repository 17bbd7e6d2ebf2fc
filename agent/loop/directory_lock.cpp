#include "agent/loop/directory_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/base/file_identity.hpp"
#include "common/base/segment_dir.hpp"

namespace bifrost::agent {
namespace {

Error directory_error(const std::string& dir, int err) {
  return {err == EACCES || err == EPERM ? ErrorCode::kPermission : ErrorCode::kIo,
          "segment directory: " + dir + ": " + std::strerror(err)};
}

Error lock_file_error(const std::string& dir, int err) {
  Error error = directory_error(path_in(dir, kLockFileName), err);
  if (error.code == ErrorCode::kPermission) {
    error.message += "; if it is another user's, give all files there to this one, or remove them";
  }
  return error;
}

bool still_means(const std::string& path, const UniqueFd& fd, Links links) {
  const auto held = identity_of(fd.get());
  return held && identity_of(path, links) == held;
}

}  // namespace

Status prepare_directory(const std::string& dir) {
  std::error_code ignored;  // the mkdir below reports what matters
  std::filesystem::create_directories(std::filesystem::path(dir).parent_path(), ignored);
  if (::mkdir(dir.c_str(), 0750) != 0 && errno != EEXIST) return directory_error(dir, errno);
  const UniqueFd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return directory_error(dir, errno);
  if (st.st_uid != ::geteuid() && st.st_uid != 0) {
    return Error{ErrorCode::kUntrusted, "segment directory " + dir + " belongs to uid " + std::to_string(st.st_uid) +
                                            ": give the agent a directory of its own"};
  }
  if ((st.st_mode & S_IWOTH) != 0) {
    return Error{ErrorCode::kUntrusted,
                 "segment directory " + dir + " is writable by anyone: chmod o-w it, or choose another --segment-dir"};
  }
  return Done{};
}

Result<DirectoryLock> DirectoryLock::take(const std::string& dir) {
  DirectoryLock lock;
  lock.dir_ = dir;
  lock.directory_ = UniqueFd(::open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!lock.directory_.valid()) return directory_error(dir, errno);
  lock.file_ = UniqueFd(::openat(lock.directory_.get(), std::string(kLockFileName).c_str(),
                                 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.file_.valid()) return lock_file_error(dir, errno);
  if (::flock(lock.file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{ErrorCode::kBusy, "another bifrost-agent already serves " + dir};
    return directory_error(dir, errno);
  }
  return lock;
}

DirectoryLock::Hold DirectoryLock::examine() const {
  if (!still_means(dir_, directory_, Links::kFollowed)) return Hold::kDirectoryLost;  // its name may be a link
  return still_means(path_in(dir_, kLockFileName), file_, Links::kThemselves) ? Hold::kFirm : Hold::kFileLost;
}

}  // namespace bifrost::agent
