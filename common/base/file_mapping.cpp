#include "common/base/file_mapping.hpp"

namespace bifrost {
namespace {

namespace bip = boost::interprocess;

class DescriptorMapping {
 public:
  DescriptorMapping(int fd, bip::mode_t mode) : fd_(fd), mode_(mode) {}
  bip::mapping_handle_t get_mapping_handle() const {
    return bip::ipcdetail::mapping_handle_from_file_handle(fd_);
  }
  bip::mode_t get_mode() const { return mode_; }

 private:
  int fd_;
  bip::mode_t mode_;
};

}  // namespace

Result<std::unique_ptr<bip::mapped_region>> map_descriptor(int fd, std::uint64_t bytes, MapMode mode) {
  const bip::mode_t access = mode == MapMode::kReadOnly ? bip::read_only : bip::read_write;
  try {
    return std::make_unique<bip::mapped_region>(DescriptorMapping(fd, access), access, 0, bytes);
  } catch (const std::exception& e) {
    return Error{ErrorCode::kIo, std::string("cannot map the segment: ") + e.what()};
  }
}

}  // namespace bifrost
