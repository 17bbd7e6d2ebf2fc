#include "common/base/file_mapping.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/interprocess/mapped_region.hpp>
#include <exception>
#include <string>

namespace bifrost {
namespace {

namespace bip = boost::interprocess;

// Boost's MemoryMappable concept over a borrowed descriptor.
class DescriptorMapping {
 public:
  DescriptorMapping(int fd, bip::mode_t mode) : fd_(fd), mode_(mode) {}
  bip::mapping_handle_t get_mapping_handle() const { return bip::ipcdetail::mapping_handle_from_file_handle(fd_); }
  bip::mode_t get_mode() const { return mode_; }

 private:
  int fd_;
  bip::mode_t mode_;
};

}  // namespace

struct FileMapping::Impl {
  bip::mapped_region region;
};

FileMapping::FileMapping() = default;
FileMapping::~FileMapping() = default;
FileMapping::FileMapping(FileMapping&&) noexcept = default;
FileMapping& FileMapping::operator=(FileMapping&&) noexcept = default;

Result<FileMapping> FileMapping::map(int fd, std::uint64_t bytes, MapMode mode) {
  const bip::mode_t access = mode == MapMode::kReadOnly ? bip::read_only : bip::read_write;
  try {
    FileMapping mapping;
    mapping.impl_ = std::make_unique<Impl>(Impl{bip::mapped_region(DescriptorMapping(fd, access), access, 0, bytes)});
    return mapping;
  } catch (const std::exception& e) {
    return Error{ErrorCode::kIo, std::string("cannot map the segment: ") + e.what()};
  }
}

void FileMapping::forget_pages(std::uint64_t offset, std::uint64_t bytes) const {
  if (impl_ == nullptr || impl_->region.get_mode() != bip::read_only) return;
  const std::uint64_t page = bip::mapped_region::get_page_size();
  const std::uint64_t size = impl_->region.get_size();
  if (offset > size || bytes > size - offset) return;
  const std::uint64_t first = (offset + page - 1) / page * page;
  const std::uint64_t last = (offset + bytes) / page * page;
  if (first < last) ::madvise(data() + first, last - first, MADV_DONTNEED);
}

std::byte* FileMapping::data() const {
  return impl_ ? static_cast<std::byte*>(impl_->region.get_address()) : nullptr;
}

}  // namespace bifrost
