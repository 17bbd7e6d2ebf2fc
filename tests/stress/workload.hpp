// workload.hpp - what the stress tests write: pairs of modules that every commit changes together.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "common/layout/code_tag.hpp"
#include "common/writer/segment_writer.hpp"

namespace bifrost::stress {

inline constexpr unsigned kPairs = 64;
inline const CodeTag kTag{"cpython-311", 3495, 0};

inline std::string pair_name(unsigned pair) {
  return "pair" + std::to_string(pair);
}
inline std::string left_of(unsigned pair) {
  return pair_name(pair) + "/left";
}
inline std::string right_of(unsigned pair) {
  return pair_name(pair) + "/right";
}

// How much may be kept, and for how long.
struct Room {
  std::uint64_t max_size_bytes = 2 << 20;
  std::chrono::milliseconds history{3'600'000};
  std::optional<std::uint64_t> history_bytes;
};

// Plays the agent: adopts what it finds, as the agent does, and goes on from there. One thread.
class Workload {
 public:
  // Throws std::runtime_error when the directory cannot be written, or a killed writer has left something unsound.
  Workload(const std::string& dir, std::uint64_t seed, const Room& room);

  // One commit: a few pairs are written with one stamp, or removed, and some get code afterwards. Then perhaps a slice
  // of housekeeping.
  void step();

  Generation generation() const { return writer_->generation(); }
  std::uint64_t left_out() const { return left_out_; }  // contents for which there was no room
  SegmentWriter& writer() { return *writer_; }

 private:
  void put(unsigned pair, std::uint64_t stamp);
  void put(const std::string& path, std::uint64_t stamp);
  void read_everything();

  std::unique_ptr<SegmentWriter> writer_;
  std::mt19937_64 random_;
  std::uint64_t left_out_ = 0;
};

}  // namespace bifrost::stress
