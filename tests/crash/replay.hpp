// replay.hpp - the files as a killed writer leaves them: after any prefix of its stores, or after any other set of them
// that the memory order allows.
//
// One thread. A set of stores is allowed when it is closed under these rules: a store comes after every earlier one if
// it is a release store, if a release fence or a system call lies between them, or if both go to the same word.
#pragma once

#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "common/layout/mapped_words.hpp"
#include "store_index.hpp"
#include "store_log.hpp"
#include "tests/common/copy_words.hpp"

namespace bifrost::crash {

class Replay {
 public:
  Replay(const std::vector<store_log::Store>& stores, const std::vector<store_log::Image>& images)
      : names_(stores, images), stores_(stores) {
    for (const store_log::Image& image : images) {
      words_.emplace_back(image.bytes / layout::kWordBytes, 0);
      chunks_.push_back({words(static_cast<std::uint32_t>(words_.size() - 1)), image.bytes});
    }
  }

  // Makes the next store. False when there is none left.
  bool step() {
    if (done_ == stores_.size()) return false;
    apply(stores_[done_++]);
    return true;
  }
  std::size_t done() const { return done_; }

  const store_log::NameIndex& names() const { return names_; }
  std::uint32_t named_root() const { return names_.root_at(done_); }
  const std::vector<layout::Word>& image(std::uint32_t image) const { return words_[image]; }
  ReadWords words(std::uint32_t image) const {
    return ReadWords(reinterpret_cast<const std::byte*>(words_[image].data()));
  }

  // What readers may have of the chunks: those that have a name now, or every one, mapped while it had one.
  struct Chunks {
    const Replay* replay;
    bool mapped_before;

    const ChunkOver<ReadWords>* chunk(ChunkNumber number) const {
      const auto* life = replay->names_.chunk(number);
      if (life == nullptr || replay->done_ < life->named) return nullptr;
      return mapped_before || life->has_name_at(replay->done_) ? &replay->chunks_[life->image] : nullptr;
    }
  };
  using Memory = MemoryOver<ReadWords, Chunks>;
  Memory memory(std::uint32_t root, const Chunks& chunks) const {
    const ReadWords w = words(root);
    return {w, {w.relaxed(layout::header::kSlotCount)}, {w.relaxed(layout::header::kChunkBase)}, &chunks};
  }

  // Calls `look` with the stores up to done() and, of the next `window` ones, a random allowed set. Then takes them
  // back.
  template <class Look>
  void with_reordering(std::mt19937_64& random, std::size_t window, std::uint32_t keep_of_256, Look look) {
    std::set<std::pair<std::uint32_t, std::uint64_t>> missing;  // words with an earlier store that was left out
    for (std::size_t i = done_; i < stores_.size() && i < done_ + window; ++i) {
      const store_log::Store& s = stores_[i];
      if (s.is_name()) break;
      if (!s.is_store()) {
        if (!missing.empty()) break;
        continue;
      }
      const bool release = s.order == store_log::Order::kRelease;
      const bool allowed = release ? missing.empty() : missing.count({s.image, s.offset}) == 0;
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
  layout::Word& word(const store_log::Store& s) { return words_[s.image][s.offset / layout::kWordBytes]; }
  void apply(const store_log::Store& s) {
    if (s.is_store()) word(s) = s.value;
  }

  store_log::NameIndex names_;
  const std::vector<store_log::Store>& stores_;
  std::vector<std::vector<layout::Word>> words_;  // of each image
  std::vector<ChunkOver<ReadWords>> chunks_;      // the same, as chunks
  std::vector<std::pair<layout::Word*, layout::Word>> undo_;
  std::size_t done_ = 0;
};

}  // namespace bifrost::crash
