// file_mapping.hpp - a Boost.Interprocess mapping of a descriptor that was already checked.
//
// boost::interprocess::file_mapping opens by name, after which the name may mean another file. This maps the very
// descriptor whose owner and mode were looked at. Boost, and its exceptions, stay in file_mapping.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/result.hpp"

namespace bifrost {

enum class MapMode { kReadOnly, kReadWrite };

class FileMapping {
 public:
  // Maps the first `bytes` of `fd`, which stays the caller's and may be closed afterwards.
  static Result<FileMapping> map(int fd, std::uint64_t bytes, MapMode mode);

  FileMapping();
  ~FileMapping();
  FileMapping(FileMapping&&) noexcept;
  FileMapping& operator=(FileMapping&&) noexcept;

  // Takes the pages that lie wholly within the range off this process' account: reading them again costs a page fault
  // each. Read-only mappings of files only, where nothing can be lost by it; a hint, so nothing is reported.
  void forget_pages(std::uint64_t offset, std::uint64_t bytes) const;

  // The mapped bytes; null when nothing is mapped. Writable only after MapMode::kReadWrite.
  std::byte* data() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bifrost
