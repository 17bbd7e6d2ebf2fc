// replay.hpp - the segment files as a killed writer leaves them: after any prefix of its stores, or after any other set
// of them that the memory order allows.
//
// One thread. A set of stores is allowed when it is closed under these rules: a store comes after every earlier one if
// it is a release store, if a release fence lies between them, or if both go to the same word.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "common/layout/mapped_words.hpp"
#include "common/layout/segment_layout.hpp"
#include "store_log.hpp"

namespace bifrost::crash {

class Replay {
 public:
  Replay(const std::vector<store_log::Store>& stores, const std::vector<std::uint64_t>& image_bytes) : stores_(stores) {
    for (const std::uint64_t bytes : image_bytes) images_.emplace_back(bytes / layout::kWordBytes, 0);
  }

  // Makes the next store. False when there is none left.
  bool step() {
    if (done_ == stores_.size()) return false;
    apply(stores_[done_++]);
    return true;
  }
  std::size_t done() const { return done_; }

  ReadWords words(std::uint32_t image) const {
    return ReadWords(reinterpret_cast<const std::byte*>(images_[image].data()));
  }
  layout::Regions regions(std::uint32_t image) const {
    return layout::compute_regions(images_[image].size() * layout::kWordBytes);
  }

  // Calls `look` with the stores up to done() and, of the next `window` ones, a random allowed set. Then takes them
  // back.
  template <class Look>
  void with_reordering(std::mt19937_64& random, std::size_t window, std::uint32_t keep_of_256, Look look) {
    std::set<std::pair<std::uint32_t, std::uint64_t>> missing;  // words with an earlier store that was left out
    for (std::size_t i = done_; i < stores_.size() && i < done_ + window; ++i) {
      const store_log::Store& s = stores_[i];
      if (s.named != stores_[done_].named) break;  // rename, a system call, orders everything
      if (s.order == StoreOrder::kReleaseFence) {
        if (!missing.empty()) break;
        continue;
      }
      const bool allowed = s.order == StoreOrder::kRelease ? missing.empty() : missing.count({s.image, s.offset}) == 0;
      if (allowed && random() % 256 < keep_of_256) {
        undo_.push_back({&word(s), word(s)});
        apply(s);
      } else {
        missing.insert({s.image, s.offset});
      }
    }
    look();
    for (; !undo_.empty(); undo_.pop_back()) *undo_.back().first = undo_.back().second;
  }

 private:
  layout::Word& word(const store_log::Store& s) { return images_[s.image][s.offset / layout::kWordBytes]; }
  void apply(const store_log::Store& s) {
    if (s.order != StoreOrder::kReleaseFence) word(s) = s.value;
  }

  const std::vector<store_log::Store>& stores_;
  std::vector<std::vector<layout::Word>> images_;
  std::vector<std::pair<layout::Word*, layout::Word>> undo_;
  std::size_t done_ = 0;
};

}  // namespace bifrost::crash
