// checked_file.hpp - opens a file of a segment directory, and decides whether its bytes may be believed.
//
// This is the security boundary: the bytes get executed. Owner, mode and size are looked at on the open descriptor,
// before the first byte is. Concurrency: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/file_identity.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/layout/segment_layout.hpp"
#include "common/reader/trust.hpp"

namespace bifrost {

struct CheckedFile {
  UniqueFd fd;
  std::uint64_t bytes = 0;
  FileIdentity identity;
};

// What the frozen prefix of a file has to say.
struct FileFormat {
  layout::Word magic = 0;
  layout::Word version = 0;
  layout::Word fingerprint = 0;
};
// Of this layout: kRootFormat, kChunkFormat.
extern const FileFormat kRootFormat;
extern const FileFormat kChunkFormat;

// Opens `name` in `dir`, which is open as `dir_fd`: a regular file that only a trusted owner could have written, with
// the frozen prefix of this format. Errors: kNotFound, kPermission, kUntrusted, kIncompatible (another layout),
// kDamaged (another kind of file, or not as long as it says), kIo. Each message names the path and what to do.
Result<CheckedFile> open_checked(int dir_fd, const std::string& dir, const std::string& name, const Trust& trust,
                                 const FileFormat& format);

// The directory itself. Errors: kNotFound, kPermission, kIo.
Result<CheckedFile> open_segment_dir(const std::string& dir);

}  // namespace bifrost
