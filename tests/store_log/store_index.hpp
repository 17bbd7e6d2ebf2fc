// store_index.hpp - the stores of a log by the word that they went to: what a load of that word may return.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "store_log.hpp"

namespace bifrost::store_log {

class StoreIndex {
 public:
  struct Entry {
    std::uint32_t at = 0;  // position in the log
    layout::Word value = 0;
  };

  explicit StoreIndex(const std::vector<Store>& stores) {
    for (std::uint32_t i = 0; i < stores.size(); ++i) {
      const Store& s = stores[i];
      if (s.order != StoreOrder::kReleaseFence) by_word_[key(s.image, s.offset)].push_back({i, s.value});
    }
  }

  // In the order of the log; empty for a word that was never stored to, which reads as zero.
  const std::vector<Entry>& of(std::uint32_t image, std::uint64_t offset) const {
    static const std::vector<Entry> kNone;
    const auto found = by_word_.find(key(image, offset));
    return found == by_word_.end() ? kNone : found->second;
  }

  // The word after the first `stores` stores.
  layout::Word value_after(std::uint32_t image, std::uint64_t offset, std::uint64_t stores) const {
    const std::vector<Entry>& all = of(image, offset);
    const auto next = std::partition_point(all.begin(), all.end(), [stores](const Entry& e) { return e.at < stores; });
    return next == all.begin() ? 0 : std::prev(next)->value;
  }

 private:
  static std::uint64_t key(std::uint32_t image, std::uint64_t offset) {
    return static_cast<std::uint64_t>(image) << 48 | offset;
  }
  std::unordered_map<std::uint64_t, std::vector<Entry>> by_word_;
};

}  // namespace bifrost::store_log
