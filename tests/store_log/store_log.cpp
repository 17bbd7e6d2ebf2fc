#include "store_log.hpp"

#include <sys/stat.h>

#include <utility>

#include "common/base/segment_dir.hpp"

namespace bifrost {
namespace {
store_log::StoreLog* current = nullptr;
}  // namespace

void on_store(const std::byte* base, std::uint64_t offset, layout::Word value, StoreOrder order) {
  if (current != nullptr) current->append(base, offset, value, order);
}

namespace store_log {

StoreLog::StoreLog(std::string dir) : path_(path_in(dir, kSegmentFileName)) {
  current = this;
}

StoreLog::~StoreLog() {
  current = nullptr;
}

std::uint32_t StoreLog::named_now() {
  struct stat st {};
  const std::uint64_t inode = ::lstat(path_.c_str(), &st) == 0 ? st.st_ino : 0;
  // Only the newest image can have taken the name since the last look.
  if (std::exchange(inode_, inode) != inode) {
    named_ = inode == 0 ? kNoImage : static_cast<std::uint32_t>(image_bytes_.size() - 1);
  }
  return named_;
}

void StoreLog::append(const std::byte* base, std::uint64_t offset, layout::Word value, StoreOrder order) {
  const std::uint32_t image = image_of(base, offset, value);
  // The stores around a rename go to the header page: no need to ask for the name at the others.
  if (offset < layout::kHeaderBytes) named_now();
  stores_.push_back({image, named_, offset, value, order});
}

std::uint32_t StoreLog::image_of(const std::byte* base, std::uint64_t offset, layout::Word value) {
  if (offset == layout::header::kMagic && value == layout::kMagic) {  // the first store into a new file
    image_at_[base] = static_cast<std::uint32_t>(image_bytes_.size());
    image_bytes_.push_back(0);
  }
  const auto known = image_at_.find(base);
  // A new writer maps the header of the segment before its own, to retire it.
  const std::uint32_t image =
      known != image_at_.end() ? known->second : static_cast<std::uint32_t>(image_bytes_.size() - 2);
  if (offset == layout::header::kTotalBytes) image_bytes_[image] = value;
  return image;
}

}  // namespace store_log
}  // namespace bifrost
