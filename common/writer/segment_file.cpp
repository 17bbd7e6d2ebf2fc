#include "common/writer/segment_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "common/base/segment_dir.hpp"

namespace bifrost {
namespace {

constexpr std::string_view kTemporaryPrefix = ".segment.";

Error file_error(const std::string& path, int err) {
  if (err == ENOSPC) {
    return {ErrorCode::kNoSpace,
            path + ": no space left; enlarge the file system of the segment directory or lower --max-size"};
  }
  if (err == EACCES || err == EPERM || err == EROFS) {
    return {ErrorCode::kPermission, path + ": " + std::strerror(err)};
  }
  return {ErrorCode::kIo, path + ": " + std::strerror(err)};
}

// Whether a file of that size could fit. Asked before it is made: reserving all there is and giving it back would take
// the file system away from everybody else for that time, and as much of the processor as a successful one.
bool has_room(const std::string& dir, std::uint64_t bytes) {
  struct statvfs now {};
  if (::statvfs(dir.c_str(), &now) != 0 || now.f_blocks == 0) return true;  // unknown, or a tmpfs without a limit
  return std::uint64_t{now.f_bfree} * now.f_frsize >= bytes;
}

// A signal undoes the call that it interrupts: piece by piece, what has been reserved stays.
int allocate(int fd, std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t kPiece = 16 << 20;
  constexpr int kMostInterruptions = 100;  // of one piece
  for (std::uint64_t done = from; done < to; done += kPiece) {
    int err = EINTR;
    for (int attempt = 0; attempt < kMostInterruptions && err == EINTR; ++attempt) {
      err = ::posix_fallocate(fd, static_cast<off_t>(done), static_cast<off_t>(std::min(kPiece, to - done)));
    }
    if (err != 0) return err;
  }
  return 0;
}

}  // namespace

SegmentFile::SegmentFile(SegmentFile&& other) noexcept {
  *this = std::move(other);
}

SegmentFile& SegmentFile::operator=(SegmentFile&& other) noexcept {
  std::swap(dir_, other.dir_);
  std::swap(path_, other.path_);
  std::swap(published_, other.published_);
  std::swap(fd_, other.fd_);
  std::swap(reserved_, other.reserved_);
  std::swap(bytes_, other.bytes_);
  std::swap(identity_, other.identity_);
  std::swap(mapping_, other.mapping_);
  std::swap(words_, other.words_);
  return *this;
}

SegmentFile::~SegmentFile() {
  if (!path_.empty() && !published_) ::unlink(path_.c_str());
}

Result<SegmentFile> SegmentFile::create(const std::string& dir, std::uint64_t bytes, std::uint64_t reserved,
                                        std::uint64_t spare) {
  SegmentFile file;
  file.dir_ = dir;
  file.bytes_ = bytes;
  // A pid may be reused, and one agent may build several: count until a name is free.
  for (unsigned attempt = 0; attempt < 100 && !file.fd_.valid(); ++attempt) {
    file.path_ =
        path_in(dir, std::string(kTemporaryPrefix) + std::to_string(::getpid()) + "." + std::to_string(attempt));
    file.fd_.reset(::open(file.path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640));
    if (!file.fd_.valid() && errno != EEXIST) break;
  }
  if (!file.fd_.valid()) {
    const int err = errno;
    const std::string path = std::exchange(file.path_, {});
    return file_error(path, err);
  }
  if (::ftruncate(file.fd_.get(), static_cast<off_t>(bytes)) != 0) return file_error(file.path_, errno);
  if (const Status s = file.reserve(reserved, spare); !s) return s.error();
  if (const Status s = file.map(); !s) return s.error();
  return file;
}

Result<SegmentFile> SegmentFile::adopt(const std::string& dir, const std::string& name) {
  SegmentFile file;
  file.dir_ = dir;
  file.path_ = path_in(dir, name);
  file.published_ = true;
  file.fd_.reset(::open(file.path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!file.fd_.valid() || ::fstat(file.fd_.get(), &st) != 0) return file_error(file.path_, errno);
  if (!S_ISREG(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::kUntrusted, file.path_ + " is not this agent's own file"};
  }
  if (st.st_size <= 0) return Error{ErrorCode::kDamaged, file.path_ + " is empty"};
  file.bytes_ = static_cast<std::uint64_t>(st.st_size);
  file.reserved_ = std::uint64_t{512} * static_cast<std::uint64_t>(st.st_blocks);
  if (const Status s = file.map(); !s) return s.error();
  return file;
}

Status SegmentFile::map() {
  const auto identity = identity_of(fd_.get());
  if (!identity) return file_error(path_, errno);
  identity_ = *identity;
  auto mapping = FileMapping::map(fd_.get(), bytes_, MapMode::kReadWrite);
  if (!mapping) return mapping.error();
  mapping_ = std::move(*mapping);
  words_ = WriteWords(mapping_.data());
  return Done{};
}

Status SegmentFile::reserve(std::uint64_t reserved, std::uint64_t spare) {
  if (reserved <= reserved_) return Done{};
  if (!has_room(dir_, reserved - reserved_ + spare)) return file_error(dir_, ENOSPC);
  if (const int err = allocate(fd_.get(), reserved_, reserved); err != 0) return file_error(path_, err);
  reserved_ = reserved;
  return Done{};
}

void SegmentFile::cut(std::uint64_t reserved) {
  if (reserved >= reserved_) return;
  words_.drop(reserved, reserved_ - reserved);
  reserved_ = reserved;
}

Status SegmentFile::publish(std::string_view name) {
  const std::string path = path_in(dir_, name);
  if (::rename(path_.c_str(), path.c_str()) != 0) return file_error(path, errno);
  path_ = path;
  published_ = true;
  return Done{};
}

Status SegmentFile::give_rights_of(const SegmentFile& other) {
  struct stat now {};
  struct stat wanted {};
  if (::fstat(fd_.get(), &now) != 0 || ::fstat(other.fd_.get(), &wanted) != 0) return file_error(path_, errno);
  if (now.st_gid != wanted.st_gid && ::fchown(fd_.get(), static_cast<uid_t>(-1), wanted.st_gid) != 0) {
    return file_error(path_, errno);
  }
  if (now.st_mode != wanted.st_mode && ::fchmod(fd_.get(), wanted.st_mode) != 0) return file_error(path_, errno);
  return Done{};
}

void SegmentFile::remove() {
  if (has_its_name()) ::unlink(path_.c_str());
}

bool SegmentFile::has_its_name() const {
  return published_ && identity_of(path_) == identity_;
}

namespace {

template <class Visit>
Status for_each_name(const std::string& dir, Visit visit) {
  DIR* listing = ::opendir(dir.c_str());
  if (listing == nullptr) return file_error(dir, errno);
  const auto next = [&] {
    errno = 0;  // tells the end from an error, whatever visit() did
    return ::readdir(listing);
  };
  while (const dirent* entry = next()) visit(std::string_view(entry->d_name));
  const int err = errno;
  ::closedir(listing);
  if (err != 0) return file_error(dir, err);
  return Done{};
}

}  // namespace

void remove_unpublished(const std::string& dir) {
  // What cannot be listed is found by a later agent.
  static_cast<void>(for_each_name(dir, [&](std::string_view name) {
    if (name.substr(0, kTemporaryPrefix.size()) == kTemporaryPrefix) ::unlink(path_in(dir, name).c_str());
  }));
}

Result<std::vector<std::uint64_t>> chunk_files_in(const std::string& dir) {
  std::vector<std::uint64_t> numbers;
  const Status listed = for_each_name(dir, [&](std::string_view name) {
    if (name.substr(0, kChunkFilePrefix.size()) != kChunkFilePrefix) return;
    std::uint64_t number = 0;
    const char* end = name.data() + name.size();
    const auto [rest, err] = std::from_chars(name.data() + kChunkFilePrefix.size(), end, number);
    if (err == std::errc() && rest == end && number != 0) numbers.push_back(number);
  });
  if (!listed) return listed.error();
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace bifrost
