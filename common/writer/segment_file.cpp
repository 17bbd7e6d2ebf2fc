#include "common/writer/segment_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/base/segment_dir.hpp"
#include "common/writer/publication.hpp"

namespace bifrost {
namespace {

constexpr std::string_view kTemporaryPrefix = ".segment.";

Error file_error(const std::string& path, int err) {
  if (err == ENOSPC) {
    return {ErrorCode::kNoSpace,
            path + ": no space left; enlarge the file system of the segment directory or lower --size"};
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

// Every page, so that no store into the mapping can fail later. A signal undoes the call that it interrupts: piece by
// piece, what has been reserved stays.
int reserve(int fd, std::uint64_t bytes) {
  constexpr std::uint64_t kPiece = 16 << 20;
  constexpr int kMostInterruptions = 100;  // of one piece
  for (std::uint64_t done = 0; done < bytes; done += kPiece) {
    int err = EINTR;
    for (int attempt = 0; attempt < kMostInterruptions && err == EINTR; ++attempt) {
      err = ::posix_fallocate(fd, static_cast<off_t>(done), static_cast<off_t>(std::min(kPiece, bytes - done)));
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
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(mapping_, other.mapping_);
  std::swap(words_, other.words_);
  return *this;
}

SegmentFile::~SegmentFile() {
  if (!path_.empty() && !published_) ::unlink(path_.c_str());
}

Result<SegmentFile> SegmentFile::create(const std::string& dir, std::uint64_t bytes) {
  if (!has_room(dir, bytes)) return file_error(dir, ENOSPC);
  SegmentFile file;
  file.dir_ = dir;
  file.bytes_ = bytes;
  UniqueFd fd;
  // A pid may be reused, and one agent may build several: count until a name is free.
  for (unsigned attempt = 0; attempt < 100 && !fd.valid(); ++attempt) {
    file.path_ =
        path_in(dir, std::string(kTemporaryPrefix) + std::to_string(::getpid()) + "." + std::to_string(attempt));
    fd.reset(::open(file.path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640));
    if (!fd.valid() && errno != EEXIST) break;
  }
  if (!fd.valid()) {
    const int err = errno;
    const std::string path = std::exchange(file.path_, {});
    return file_error(path, err);
  }
  if (const int err = reserve(fd.get(), bytes); err != 0) return file_error(file.path_, err);
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return file_error(file.path_, errno);
  file.device_ = st.st_dev;
  file.inode_ = st.st_ino;
  auto mapping = FileMapping::map(fd.get(), bytes, MapMode::kReadWrite);
  if (!mapping) return mapping.error();
  file.mapping_ = std::move(*mapping);
  file.words_ = WriteWords(file.mapping_.data());
  return file;
}

Status SegmentFile::publish() {
  const std::string name = path_in(dir_, kSegmentFileName);
  if (::rename(path_.c_str(), name.c_str()) != 0) return file_error(name, errno);
  path_ = name;
  published_ = true;
  return Done{};
}

bool SegmentFile::has_its_name() const {
  struct stat st {};
  return published_ && ::lstat(path_.c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_;
}

PredecessorSegment PredecessorSegment::open(const std::string& dir) {
  PredecessorSegment predecessor;
  const UniqueFd fd(::open(path_in(dir, kSegmentFileName).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != ::geteuid() ||
      st.st_size < static_cast<off_t>(layout::kHeaderBytes)) {
    return predecessor;
  }
  auto header = FileMapping::map(fd.get(), layout::kHeaderBytes, MapMode::kReadWrite);
  if (!header) return predecessor;
  const WriteWords words(header->data());
  if (words.own(layout::header::kMagic) == layout::kMagic &&
      words.own(layout::header::kFingerprint) == layout::fingerprint()) {
    predecessor.header_ = std::move(*header);
  }
  return predecessor;
}

void PredecessorSegment::retire() {
  if (header_.data() == nullptr) return;
  Publication(WriteWords(header_.data()), layout::Regions{}).retire();
  header_ = FileMapping();
}

void remove_unpublished(const std::string& dir) {
  DIR* listing = ::opendir(dir.c_str());
  if (listing == nullptr) return;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name(entry->d_name);
    if (name.substr(0, kTemporaryPrefix.size()) == kTemporaryPrefix) ::unlink(path_in(dir, name).c_str());
  }
  ::closedir(listing);
}

}  // namespace bifrost
