// explorer.hpp - runs a reader once for every combination of values that its loads may return.
//
// The writer does not depend on readers (they write nothing), so its stores are one fixed sequence: the log of a real
// SegmentWriter. What remains undecided in an execution is which of them each load returns. The rules of C++20 for
// that, with one writer, need two positions in the log and one per word:
//   floor    stores before it happened before the reader's next load: a word's older values are gone
//   pending  what the floor rises to at the next acquire fence
//   seen     the store that this word's last load returned: no later load returns an older one (coherence)
// A release store carries the position just behind itself; a relaxed one that of the release fence before it.
// (X1) Every combination is tried: an exploration that stops at its limit says so and proves nothing.
// (X2) Of two stores of the same value to the same word, only the one that constrains the reader less is tried.
// (X3) Of a word that only rises, and that readers only compare with what must lie below it, the first value is tried:
// what passes with it passes with all others, which tell more.
// (X4) From a chunk that a reader knows to be gone it gets the first values or the last ones, no mixture: every mixture
// is tried on readers that do not know it, by the same code.
// Why this is exhaustive: docs/design/0020-exhaustive-model-of-readers.md. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store_index.hpp"
#include "store_log.hpp"

namespace bifrost::model {

using store_log::Order;
using store_log::Store;

// The choices of one run, and the next combination in depth-first order.
class Choices {
 public:
  // A number below `count`.
  std::uint32_t choose(std::uint32_t count) {
    if (count < 2) return 0;
    if (depth_ == taken_.size()) taken_.push_back({0, count});
    return taken_[depth_++].first;
  }
  // False when every combination has been tried.
  bool next() {
    depth_ = 0;
    while (!taken_.empty() && taken_.back().first + 1 == taken_.back().second) taken_.pop_back();
    if (taken_.empty()) return false;
    ++taken_.back().first;
    return true;
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> taken_;
  std::size_t depth_ = 0;
};

// The log, prepared for questions about what a store tells its reader.
class History {
 public:
  History(std::vector<Store> stores, const std::vector<store_log::Image>& images)
      : stores_(std::move(stores)), index_(stores_), names_(stores_, images), images_(&images) {
    told_.reserve(stores_.size());
    std::uint32_t fence = 0;
    for (std::uint32_t i = 0; i < stores_.size(); ++i) {
      if (stores_[i].order == Order::kReleaseFence) fence = i;
      told_.push_back(stores_[i].order == Order::kRelease ? i + 1 : fence);
    }
  }

  const std::vector<Store>& stores() const { return stores_; }
  const store_log::StoreIndex& index() const { return index_; }
  const store_log::NameIndex& names() const { return names_; }
  const std::vector<store_log::Image>& images() const { return *images_; }
  // The floor of a reader that synchronises with store `at`.
  std::uint32_t told_by(std::uint32_t at) const { return told_[at]; }

 private:
  std::vector<Store> stores_;
  store_log::StoreIndex index_;
  store_log::NameIndex names_;
  const std::vector<store_log::Image>* images_;
  std::vector<std::uint32_t> told_;
};

inline constexpr std::uint32_t kMaxLoads = 20'000;  // far more than any lookup of a script needs

// What one reader has come to know in one run.
class Reader {
 public:
  Reader(const History& history, Choices& choices, std::uint32_t floor)
      : history_(&history), choices_(&choices), floor_(floor) {}

  // Which of the values that a load may return are tried.
  enum class Try { kAll, kFirst, kLast };
  layout::Word load(std::uint32_t image, std::uint64_t offset, bool acquire, Try which = Try::kAll) {
    if (++loads_ > kMaxLoads) throw std::runtime_error("a lookup that does not end");
    const std::vector<store_log::StoreIndex::Entry>& all = history_->index().of(image, offset);
    if (all.empty()) return 0;
    // Number n + 1 stands for store n; 0 for the zero that the file began with.
    std::uint32_t& seen = seen_[static_cast<std::uint64_t>(image) << 48 | offset];
    const auto known = static_cast<std::uint32_t>(
        std::partition_point(all.begin(), all.end(), [this](const auto& e) { return e.at < floor_; }) - all.begin());
    candidates_.clear();
    for (std::uint32_t n = std::max(seen, known); n <= all.size(); ++n) offer(all, n);
    seen = which == Try::kFirst  ? candidates_.front()
           : which == Try::kLast ? candidates_.back()
                                 : candidates_[choices_->choose(static_cast<std::uint32_t>(candidates_.size()))];
    if (seen == 0) return 0;
    const std::uint32_t told = history_->told_by(all[seen - 1].at);
    pending_ = std::max(pending_, told);
    if (acquire) floor_ = std::max(floor_, told);
    return all[seen - 1].value;
  }
  void fence_acquire() { floor_ = std::max(floor_, pending_); }
  // A system call has seen what was done before this position.
  void pass(std::uint64_t position) { floor_ = std::max(floor_, static_cast<std::uint32_t>(position)); }

  // Stores before this position happened before whatever the reader does next.
  std::uint32_t floor() const { return floor_; }
  Choices& choices() { return *choices_; }

 private:
  layout::Word value_of(const std::vector<store_log::StoreIndex::Entry>& all, std::uint32_t n) const {
    return n == 0 ? 0 : all[n - 1].value;
  }
  std::uint32_t told_of(const std::vector<store_log::StoreIndex::Entry>& all, std::uint32_t n) const {
    return n == 0 ? 0 : history_->told_by(all[n - 1].at);
  }
  void offer(const std::vector<store_log::StoreIndex::Entry>& all, std::uint32_t n) {
    for (const std::uint32_t other : candidates_) {
      if (value_of(all, other) == value_of(all, n) && told_of(all, other) <= told_of(all, n)) return;  // (X2)
    }
    candidates_.push_back(n);
  }

  const History* history_;
  Choices* choices_;
  std::uint32_t floor_;
  std::uint32_t pending_ = 0;
  std::uint32_t loads_ = 0;
  std::unordered_map<std::uint64_t, std::uint32_t> seen_;
  std::vector<std::uint32_t> candidates_;
};

}  // namespace bifrost::model
