#include "common/reader/checked_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/segment_dir.hpp"
#include "common/layout/record_layout.hpp"

namespace bifrost {
namespace {

Error error_of_open(const std::string& path, int err) {
  switch (err) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound,
              path + " does not exist: start bifrost-agent, or set BIFROST_SEGMENT_DIR to its directory"};
    case EACCES:
    case EPERM:
      return {ErrorCode::kPermission,
              path + " may not be read by this user: add it to the group that owns the segment directory"};
    case ELOOP: return {ErrorCode::kUntrusted, path + " is a symbolic link: remove it and restart bifrost-agent"};
    default: return {ErrorCode::kIo, path + ": " + std::strerror(err)};
  }
}

Status check_owner(const std::string& dir, const std::string& path, const struct stat& st, const Trust& trust) {
  if (!S_ISREG(st.st_mode)) {
    return Error{ErrorCode::kUntrusted, path + " is not a regular file: remove it and restart bifrost-agent"};
  }
  if (!is_trusted(trust, dir, st.st_uid)) {
    const std::string appointed =
        trust.agent_uid ? "BIFROST_AGENT_UID" : "the owner of " + std::string(trust.appointed_dir);
    return Error{ErrorCode::kUntrusted,
                 path + " belongs to uid " + std::to_string(st.st_uid) + ", which is neither root, this user nor " +
                     appointed +
                     ": its code would not be trustworthy. If the agent runs as that user, set BIFROST_AGENT_UID to "
                     "it"};
  }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorCode::kUntrusted, path + " is writable by group or others: remove it and restart bifrost-agent"};
  }
  return Done{};
}

struct FrozenPrefix {
  std::uint64_t magic, layout_version, fingerprint, total_bytes;
};

Status check_prefix(const std::string& path, const FrozenPrefix& p, std::uint64_t file_bytes,
                    const FileFormat& format) {
  if (p.magic != format.magic) return Error{ErrorCode::kDamaged, path + " is not a bifrost segment"};
  if (p.layout_version != format.version || p.fingerprint != format.fingerprint) {
    return Error{ErrorCode::kIncompatible, path + " has layout version " + std::to_string(p.layout_version) +
                                               ", this program reads version " + std::to_string(format.version) +
                                               ": install agent and workers of the same release"};
  }
  if (p.total_bytes != file_bytes) {
    return Error{ErrorCode::kDamaged, path + " has " + std::to_string(file_bytes) + " bytes where its header says " +
                                          std::to_string(p.total_bytes)};
  }
  return Done{};
}

}  // namespace

const FileFormat kRootFormat = {layout::header::kMagic, layout::kLayoutVersion, layout::fingerprint()};
const FileFormat kChunkFormat = {layout::chunk::kMagic, layout::kLayoutVersion, layout::fingerprint()};

Result<CheckedFile> open_segment_dir(const std::string& dir) {
  UniqueFd fd(::open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return error_of_open(dir, errno);
  const auto identity = identity_of(fd.get());
  if (!identity) return error_of_open(dir, errno);
  return CheckedFile{std::move(fd), 0, *identity};
}

Result<CheckedFile> open_checked(int dir_fd, const std::string& dir, const std::string& name, const Trust& trust,
                                 const FileFormat& format) {
  const std::string path = path_in(dir, name);
  // O_NONBLOCK: a FIFO in place of the file must not hang the open.
  UniqueFd fd(::openat(dir_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat st {};
  if (!fd.valid() || ::fstat(fd.get(), &st) != 0) return error_of_open(path, errno);
  if (const Status owner = check_owner(dir, path, st, trust); !owner) return owner.error();
  const auto file_bytes = static_cast<std::uint64_t>(st.st_size);
  FrozenPrefix prefix{};
  const ssize_t read = ::pread(fd.get(), &prefix, sizeof prefix, 0);
  if (read < 0) return error_of_open(path, errno);
  if (file_bytes < layout::kPageBytes || read != static_cast<ssize_t>(sizeof prefix)) {
    return Error{ErrorCode::kDamaged, path + " is too short to be part of a segment (" + std::to_string(file_bytes) +
                                          " bytes): restart bifrost-agent"};
  }
  if (const Status valid = check_prefix(path, prefix, file_bytes, format); !valid) return valid.error();
  return CheckedFile{std::move(fd), file_bytes, {st.st_dev, st.st_ino}};
}

}  // namespace bifrost
