// stores.hpp - one corpus in a segment, in LMDB and in a hash map: the same keys, the same values.
//
// Paths that are asked for lie one behind the other in the order of asking, so that no peer's time holds cache misses
// for the questions.
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/reader/segment.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::bench {

inline constexpr std::size_t kQuestions = 8192;  // in a fixed random order, longer than a branch predictor's memory
inline constexpr std::size_t kCopyBytes[] = {64, 1024, 8 * 1024, 64 * 1024, 4 * 1024 * 1024};

[[noreturn]] void die(const std::string& why);

class Questions {
 public:
  void add(const std::string& path) {
    spans_.emplace_back(text_.size(), path.size());
    text_ += path;
  }
  std::string_view operator[](std::size_t i) const {
    const auto [begin, size] = spans_[i % spans_.size()];
    return std::string_view(text_).substr(begin, size);
  }

 private:
  std::string text_;
  std::vector<std::pair<std::size_t, std::size_t>> spans_;
};

class Stores {
 public:
  // `source_bytes` per module; the directory in /dev/shm goes away with this object.
  Stores(std::size_t modules, std::size_t source_bytes);
  ~Stores();
  Stores(const Stores&) = delete;
  Stores& operator=(const Stores&) = delete;

  const Segment& segment() const { return *segment_; }
  // As readers do before an execution: when the writer has published another root, that one.
  void attach_if_retired();
  SegmentWriter& writer() { return *writer_; }
  const std::string& dir() const { return dir_; }
  const std::string& path(std::size_t module) const { return paths_[module % paths_.size()]; }
  std::size_t modules() const { return paths_.size(); }
  std::size_t source_bytes() const { return source_bytes_; }
  const Questions& hits() const { return hits_; }
  const Questions& misses() const { return misses_; }

  // The segment as it was when make_copies() was called, in files that only reader `n` maps.
  const Segment& private_copy(int n) const { return *copies_[static_cast<std::size_t>(n)]; }
  void make_copies(int count);

  // `renew`: as a program does that wants the newest data; without, one transaction lasts for all gets.
  bool lmdb_get(std::string_view key, MDB_val& value, bool renew);
  const std::unordered_map<std::string_view, std::string_view>& map() const { return map_; }
  static std::string copy_path(std::size_t bytes) { return "copy" + std::to_string(bytes) + ".py"; }

 private:
  void fill_segment();
  void fill_lmdb();
  void attach();
  std::shared_ptr<const Segment> copy_of_segment(const std::string& dir) const;

  std::string dir_;
  std::size_t source_bytes_;
  std::string source_;
  std::vector<std::string> paths_;
  Questions hits_;
  Questions misses_;
  std::unordered_map<std::string_view, std::string_view> map_;
  std::unique_ptr<SegmentWriter> writer_;
  std::shared_ptr<const Segment> segment_;
  std::vector<std::shared_ptr<const Segment>> copies_;
  MDB_env* environment_ = nullptr;
  MDB_txn* transaction_ = nullptr;
  MDB_dbi database_ = 0;
};

}  // namespace bifrost::bench
