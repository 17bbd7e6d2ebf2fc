// store_log.hpp - every store that a real SegmentWriter made, in order, over all its files, and when they had a name.
//
// Concurrency: one writer, in the thread that owns the log. There is one log at a time.
// (L1) Entry i was made after entry i-1.
// (L2) A file of the log's directory is an image, numbered in the order in which they were first mapped.
// (L3) That a file gets its name or loses it is an entry: system calls order everything.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/layout/mapped_words.hpp"
#include "common/layout/record_layout.hpp"

#if !defined(BIFROST_STORES_ARE_RECORDED)
#error "link recorded_segment before bifrost_every_room: its mapped_words.hpp must be found first"
#endif

namespace bifrost::store_log {

inline constexpr std::uint32_t kNoImage = ~std::uint32_t{0};

struct Store {
  std::uint32_t image = 0;
  std::uint64_t offset = 0;
  layout::Word value = 0;
  Order order = Order::kRelaxed;

  bool is_store() const { return order == Order::kRelaxed || order == Order::kRelease; }
  bool is_name() const { return order == Order::kNamed || order == Order::kUnnamed; }
};

// A file, as its first stores describe it.
struct Image {
  std::uint64_t bytes = 0;
  ChunkNumber chunk;  // 0: a root

  bool is_root() const { return chunk.value == 0; }
};

class StoreLog {
 public:
  // Records from now on what is stored into files in `dir`, which has nothing else in it.
  explicit StoreLog(std::string dir);
  ~StoreLog();
  StoreLog(const StoreLog&) = delete;
  StoreLog& operator=(const StoreLog&) = delete;

  const std::vector<Store>& stores() const { return stores_; }
  std::size_t size() const { return stores_.size(); }
  const std::vector<Image>& images() const { return images_; }
  // The root that has the name now.
  std::uint32_t named_root() const { return named_root_; }

  // For the recorded writer, and for rename() and unlink().
  std::uint32_t image_mapped_at(const std::byte* base);
  void append(const Store& store);
  void renamed(std::uint64_t inode, const char* to);
  void unlinked(std::uint64_t inode, const char* path);

 private:
  bool is_ours(const std::string& path) const;

  std::string dir_;
  std::map<std::uint64_t, std::uint32_t> image_of_inode_;
  std::vector<Store> stores_;
  std::vector<Image> images_;
  std::uint32_t named_root_ = kNoImage;
};

}  // namespace bifrost::store_log
