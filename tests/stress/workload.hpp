// workload.hpp - what the stress tests write: pairs of modules that every commit changes together.
#pragma once

#include <memory>
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

// Plays the agent: takes over what it finds, as seeding does, and goes on from there. One thread.
class Workload {
 public:
  // Throws std::runtime_error when the directory cannot be written or its segment not be read.
  Workload(const std::string& dir, std::uint64_t seed, std::uint64_t max_size_bytes);

  // One commit: a few pairs are written with one stamp, or removed, and some get code afterwards.
  void step();

  Generation generation() const { return writer_->generation(); }
  std::uint64_t left_out() const { return left_out_; }  // contents for which there was no room

 private:
  void put(const std::string& path, std::uint64_t stamp);

  std::unique_ptr<SegmentWriter> writer_;
  std::mt19937_64 random_;
  std::uint64_t left_out_ = 0;
};

}  // namespace bifrost::stress
