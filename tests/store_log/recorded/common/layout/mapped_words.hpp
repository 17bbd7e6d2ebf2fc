// mapped_words.hpp - stands before the product's header of that name: a WriteWords that tells the store log all it
// does.
//
// The product's class does the work, under another name. An operation that it gains is missing here until it is added:
// then the recorded writer does not compile.
#pragma once

#define WriteWords UnrecordedWords
#include "../../../../../common/layout/mapped_words.hpp"
#undef WriteWords
#define BIFROST_STORES_ARE_RECORDED 1

namespace bifrost {

namespace store_log {
enum class Order { kRelaxed, kRelease, kReleaseFence, kNamed, kUnnamed };
// The file that is mapped at `base`, as the log numbers it; kNoImage when it is none of the log's.
std::uint32_t image_mapped_at(const std::byte* base);
void on_store(std::uint32_t image, std::uint64_t offset, layout::Word value, Order order);
}  // namespace store_log

class WriteWords {
 public:
  using Word = layout::Word;

  WriteWords() = default;
  explicit WriteWords(std::byte* base) : words_(base), image_(store_log::image_mapped_at(base)) {}

  Word own(std::uint64_t offset) const { return words_.own(offset); }
  const char* own_bytes(std::uint64_t offset) const { return words_.own_bytes(offset); }

  void release(std::uint64_t offset, Word value) {
    words_.release(offset, value);
    store_log::on_store(image_, offset, value, store_log::Order::kRelease);
  }
  void relaxed(std::uint64_t offset, Word value) {
    words_.relaxed(offset, value);
    store_log::on_store(image_, offset, value, store_log::Order::kRelaxed);
  }
  void fence_release() {
    words_.fence_release();
    store_log::on_store(image_, 0, 0, store_log::Order::kReleaseFence);
  }
  void copy_in(std::uint64_t offset, const void* from, std::uint64_t bytes) {
    words_.copy_in(offset, from, bytes);
    for (std::uint64_t done = 0; done < bytes; done += layout::kWordBytes) {
      store_log::on_store(image_, offset + done, words_.own(offset + done), store_log::Order::kRelaxed);
    }
  }
  // To readers, as if zeros had been stored: in any order, since nothing orders the pages.
  void drop(std::uint64_t offset, std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes; done += layout::kWordBytes) {
      if (words_.own(offset + done) == 0) continue;
      store_log::on_store(image_, offset + done, 0, store_log::Order::kRelaxed);
    }
    words_.drop(offset, bytes);
  }

 private:
  UnrecordedWords words_;
  std::uint32_t image_ = ~std::uint32_t{0};
};

}  // namespace bifrost
