// segment_file.hpp - the file under a segment being written: private until it gets its name.
//
// Built under a temporary name that nobody else can have taken (O_EXCL), with every byte reserved (posix_fallocate: a
// sparse tmpfs file kills writers and readers with SIGBUS when the file system fills up), published by rename. Never
// truncated, never rewritten in place as a whole.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "common/base/file_mapping.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/layout/mapped_words.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

class SegmentFile {
 public:
  // `bytes`: a valid total size (see layout::compute_regions). Errors: kNoSpace, kPermission, kIo.
  static Result<SegmentFile> create(const std::string& dir, std::uint64_t bytes);

  SegmentFile(SegmentFile&&) noexcept;
  SegmentFile& operator=(SegmentFile&&) noexcept;
  ~SegmentFile();  // removes the file if it was never published

  // Gives the file its name, replacing what had it.
  Status publish();

  // Whether the name still means this file: someone may have removed or replaced it.
  bool has_its_name() const;

  WriteWords words() const { return words_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  SegmentFile() = default;

  std::string dir_;
  std::string path_;  // where the file is now
  bool published_ = false;
  std::uint64_t bytes_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  FileMapping mapping_;
  WriteWords words_;
};

// The segment of an agent that is gone, still mapped by its readers. Once a new segment has the name, retire() sends
// them there. Quietly does nothing when there is no such file, or none that this user and layout could have written.
class PredecessorSegment {
 public:
  static PredecessorSegment open(const std::string& dir);
  void retire();

 private:
  FileMapping header_;
};

// Removes temporary files that a killed agent left in `dir`. Only while holding the directory's lock.
void remove_unpublished(const std::string& dir);

}  // namespace bifrost
