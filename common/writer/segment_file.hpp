// segment_file.hpp - a file of the store being written: private until it gets its name.
//
// Built under a temporary name that nobody else can have taken (O_EXCL), published by rename. Memory is reserved before
// it is written (posix_fallocate, piece by piece: a sparse tmpfs file kills writers and readers with SIGBUS when the
// file system fills up). Never truncated.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_identity.hpp"
#include "common/base/file_mapping.hpp"
#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/layout/mapped_words.hpp"

namespace bifrost {

class SegmentFile {
 public:
  // `bytes`: the size, whole pages. `reserved` of them can be written; not if that leaves less than `spare` bytes to
  // the file system. Errors: kNoSpace, kPermission, kIo.
  static Result<SegmentFile> create(const std::string& dir, std::uint64_t bytes, std::uint64_t reserved,
                                    std::uint64_t spare = 0);
  // One that another agent has left, to read it and to write the words that may still change. The caller has checked
  // it. Errors: as above, and kNotFound.
  static Result<SegmentFile> adopt(const std::string& dir, const std::string& name);

  SegmentFile(SegmentFile&&) noexcept;
  SegmentFile& operator=(SegmentFile&&) noexcept;
  ~SegmentFile();  // removes the file if it was never published

  // More of the size can be written after this: `reserved` bytes in all. Errors: kNoSpace, kIo.
  Status reserve(std::uint64_t reserved, std::uint64_t spare = 0);
  // Only `reserved` bytes, whole pages, can be written or read after this.
  void cut(std::uint64_t reserved);
  // Gives the file its name, replacing what had it.
  Status publish(std::string_view name);
  // Whoever may read `other` may read this: umask and group may be others than those of the agent that made it.
  Status give_rights_of(const SegmentFile& other);
  // Takes the name away again. The memory goes when the last reader lets go of it.
  void remove();

  // Whether the name still means this file: someone may have removed or replaced it.
  bool has_its_name() const;

  WriteWords words() const { return words_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t reserved() const { return reserved_; }

 private:
  SegmentFile() = default;
  Status map();

  std::string dir_;
  std::string path_;  // where the file is now
  bool published_ = false;
  UniqueFd fd_;
  std::uint64_t bytes_ = 0;
  std::uint64_t reserved_ = 0;
  FileIdentity identity_;
  FileMapping mapping_;
  WriteWords words_;
};

// Removes temporary files that a killed agent left in `dir`. Only while holding the directory's lock.
void remove_unpublished(const std::string& dir);
// Numbers of the chunk files in `dir`, in rising order.
Result<std::vector<std::uint64_t>> chunk_files_in(const std::string& dir);

}  // namespace bifrost
