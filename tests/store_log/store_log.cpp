#include "store_log.hpp"

#include <sys/stat.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <utility>

#include "common/base/segment_dir.hpp"

namespace bifrost::store_log {
namespace {

StoreLog* current = nullptr;

std::uint64_t inode_of(const char* path) {
  struct stat st {};
  return ::lstat(path, &st) == 0 ? st.st_ino : 0;
}

}  // namespace

std::uint32_t image_mapped_at(const std::byte* base) {
  return current == nullptr ? kNoImage : current->image_mapped_at(base);
}

void on_store(std::uint32_t image, std::uint64_t offset, layout::Word value, Order order) {
  if (current != nullptr && image != kNoImage) current->append({image, offset, value, order});
}

StoreLog::StoreLog(std::string dir) : dir_(std::move(dir)) {
  current = this;
}

StoreLog::~StoreLog() {
  current = nullptr;
}

bool StoreLog::is_ours(const std::string& path) const {
  return path.compare(0, dir_.size(), dir_) == 0;
}

// The kernel says which file it is: addresses are used again, and a successor maps the same file elsewhere.
std::uint32_t StoreLog::image_mapped_at(const std::byte* base) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    std::uint64_t inode = 0;
    int path = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%*x %*s %*x %*s %" SCNu64 " %n", &from, &inode, &path) != 2) continue;
    if (from != reinterpret_cast<std::uintptr_t>(base)) continue;
    if (!is_ours(line.substr(static_cast<std::size_t>(path)))) return kNoImage;
    const auto [known, fresh] = image_of_inode_.emplace(inode, static_cast<std::uint32_t>(images_.size()));
    if (fresh) images_.emplace_back();
    return known->second;
  }
  return kNoImage;
}

void StoreLog::append(const Store& store) {
  stores_.push_back(store);
  Image& image = images_[store.image];
  // Words that are stored once, before the file has a name; a root has no such word at chunk::kNumber.
  if (store.offset == layout::prefix::kTotalBytes && store.value != 0) image.bytes = store.value;
  if (store.offset == layout::chunk::kNumber && store.value != 0) image.chunk = {store.value};
}

void StoreLog::renamed(std::uint64_t inode, const char* to) {
  const auto image = image_of_inode_.find(inode);
  if (image == image_of_inode_.end() || !is_ours(to)) return;
  append({image->second, 0, 0, Order::kNamed});
  if (images_[image->second].is_root()) named_root_ = image->second;
}

void StoreLog::unlinked(std::uint64_t inode, const char* path) {
  const auto image = image_of_inode_.find(inode);
  if (image == image_of_inode_.end() || !is_ours(path)) return;
  append({image->second, 0, 0, Order::kUnnamed});
  if (named_root_ == image->second) named_root_ = kNoImage;
}

}  // namespace bifrost::store_log

// The linker leads rename() and unlink() of recorded programs here (CMakeLists.txt).
extern "C" {
int __real_rename(const char* from, const char* to);
int __real_unlink(const char* path);

int __wrap_rename(const char* from, const char* to) {
  const std::uint64_t inode = bifrost::store_log::inode_of(from);
  const int result = __real_rename(from, to);
  if (result == 0 && bifrost::store_log::current != nullptr) bifrost::store_log::current->renamed(inode, to);
  return result;
}

int __wrap_unlink(const char* path) {
  const std::uint64_t inode = bifrost::store_log::inode_of(path);
  const int result = __real_unlink(path);
  if (result == 0 && bifrost::store_log::current != nullptr) bifrost::store_log::current->unlinked(inode, path);
  return result;
}
}
