// store_log.hpp - every store that a real SegmentWriter made, in order, over all its segment files.
//
// Concurrency: one writer, in the thread that owns the log. There is one log at a time.
// (L1) Entry i was made after entry i-1. A segment file is an "image", numbered in the order of creation.
// (L2) `named` is the image that had the segment's name just before the store: rename is an event between two stores.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/layout/segment_layout.hpp"
#include "common/layout/store_hook.hpp"

namespace bifrost::store_log {

inline constexpr std::uint32_t kNoImage = ~std::uint32_t{0};

struct Store {
  std::uint32_t image = 0;
  std::uint32_t named = kNoImage;
  std::uint64_t offset = 0;
  layout::Word value = 0;
  StoreOrder order = StoreOrder::kRelaxed;
};

class StoreLog {
 public:
  // Records from now on what is stored into segments whose name is in `dir`.
  explicit StoreLog(std::string dir);
  ~StoreLog();
  StoreLog(const StoreLog&) = delete;
  StoreLog& operator=(const StoreLog&) = delete;

  const std::vector<Store>& stores() const { return stores_; }
  std::size_t size() const { return stores_.size(); }
  // Bytes of each image.
  const std::vector<std::uint64_t>& image_bytes() const { return image_bytes_; }
  // The image that has the name now.
  std::uint32_t named_now();

  void append(const std::byte* base, std::uint64_t offset, layout::Word value, StoreOrder order);

 private:
  std::uint32_t image_of(const std::byte* base, std::uint64_t offset, layout::Word value);

  std::string path_;
  std::map<const std::byte*, std::uint32_t> image_at_;  // which image is mapped there now
  std::vector<Store> stores_;
  std::vector<std::uint64_t> image_bytes_;
  std::uint64_t inode_ = 0;
  std::uint32_t named_ = kNoImage;
};

}  // namespace bifrost::store_log
