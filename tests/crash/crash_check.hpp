// crash_check.hpp - runs readers on every image that a killed writer can leave, and says which of them were told
// anything but the truth of their generation, or "ask Redis".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "recorded_writer.hpp"
#include "store_log.hpp"

namespace bifrost::crash {

struct CrashReport {
  std::uint64_t images = 0;
  std::uint64_t answers = 0;
  std::uint64_t lost = 0;               // snapshots that said so
  std::vector<std::string> violations;  // the first few

  bool held() const { return violations.empty(); }
};

// What to look up on every image.
struct Questions {
  std::vector<std::string> paths;
  std::vector<std::string> nodes;
};

// Replays `stores` (those of `writer`, or a forgery of them) from position `begin` on. `reorderings`: random allowed
// sets tried after each store. The cost of an image is some 10 us.
CrashReport check_every_crash(const store_log::RecordedWriter& writer, const std::vector<store_log::Store>& stores,
                              std::size_t begin, const Questions& questions, unsigned reorderings);

// Readers that are slower than the writer: between any two loads of a lookup, some of the stores happen.
CrashReport check_slow_readers(const store_log::RecordedWriter& writer, std::size_t begin, const Questions& questions,
                               unsigned readers);

}  // namespace bifrost::crash
