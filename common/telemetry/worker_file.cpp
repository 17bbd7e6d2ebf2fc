#include "common/telemetry/worker_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/segment_dir.hpp"

namespace bifrost {

UniqueFd WorkerFile::open(const std::string& dir, int mode) const {
  UniqueFd fd(::open(path_in(dir, name).c_str(), mode | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) ||
      static_cast<std::size_t>(st.st_size) != bytes) {
    fd.reset();
  }
  return fd;
}

Status WorkerFile::create(const std::string& dir) const {
  const std::string path = path_in(dir, name);
  const auto failed = [&] { return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)}; };
  ::unlink(path.c_str());
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return failed();
  const auto size = static_cast<off_t>(bytes);
  if (sparse) {
    if (::ftruncate(fd.get(), size) != 0) return failed();
  } else if ((errno = ::posix_fallocate(fd.get(), 0, size)) != 0) {
    return failed();
  }
  if (::fchmod(fd.get(), 0660) != 0) return failed();
  return Done{};
}

void WorkerFile::remove(const std::string& dir) const {
  ::unlink(path_in(dir, name).c_str());
}

}  // namespace bifrost
