// store_index.hpp - the stores of a log by the word that they went to, and the names of its files by their times.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "store_log.hpp"

namespace bifrost::store_log {

// What a load of a word may return.
class StoreIndex {
 public:
  struct Entry {
    std::uint32_t at = 0;  // position in the log
    layout::Word value = 0;
  };

  explicit StoreIndex(const std::vector<Store>& stores) {
    for (std::uint32_t i = 0; i < stores.size(); ++i) {
      const Store& s = stores[i];
      if (s.is_store()) by_word_[key(s.image, s.offset)].push_back({i, s.value});
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

// Who had which name when. Positions are numbers of entries made: an event at entry i holds from i + 1 on.
class NameIndex {
 public:
  struct ChunkLife {
    std::uint32_t image = kNoImage;
    std::uint64_t named = 0;
    std::optional<std::uint64_t> unnamed;

    bool has_name_at(std::uint64_t position) const { return position >= named && (!unnamed || position < *unnamed); }
  };
  struct RootName {
    std::uint64_t from = 0;
    std::uint32_t image = kNoImage;  // kNoImage: nobody has it
  };

  NameIndex(const std::vector<Store>& stores, const std::vector<Image>& images) {
    for (std::uint64_t i = 0; i < stores.size(); ++i) {
      const Store& s = stores[i];
      if (!s.is_name()) continue;
      const bool named = s.order == Order::kNamed;
      const Image& image = images[s.image];
      if (image.is_root()) {
        if (named || (!roots_.empty() && roots_.back().image == s.image)) {
          roots_.push_back({i + 1, named ? s.image : kNoImage});
        }
      } else if (named) {
        const bool fresh = chunks_.emplace(image.chunk.value, ChunkLife{s.image, i + 1, {}}).second;
        if (!fresh) throw std::logic_error("the number of a chunk has been used twice");
      } else {
        chunks_[image.chunk.value].unnamed = i + 1;
      }
    }
  }

  std::uint32_t root_at(std::uint64_t position) const {
    std::uint32_t named = kNoImage;
    for (const RootName& r : roots_) {
      if (r.from <= position) named = r.image;
    }
    return named;
  }
  const std::vector<RootName>& roots() const { return roots_; }
  const std::map<std::uint64_t, ChunkLife>& chunks() const { return chunks_; }
  // Null when no chunk had that number.
  const ChunkLife* chunk(ChunkNumber number) const {
    const auto found = chunks_.find(number.value);
    return found == chunks_.end() ? nullptr : &found->second;
  }

 private:
  std::vector<RootName> roots_;
  std::map<std::uint64_t, ChunkLife> chunks_;
};

}  // namespace bifrost::store_log
