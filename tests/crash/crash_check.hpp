// crash_check.hpp - runs readers and successors on everything that a killed writer can leave, and says which of them
// were told anything but the truth of their generation, or that it is not kept any more.
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
  std::uint64_t looked_again = 0;       // because the first look met a chunk that was gone
  std::uint64_t lost = 0;               // of those, readers whose generation is not kept any more
  std::uint64_t successions = 0;        // agents that took over
  std::uint64_t starved = 0;            // of those, the ones that said that they have no room for any change
  std::vector<std::string> violations;  // the first few

  bool held() const { return violations.empty(); }
};

// What to look up on every image.
struct Questions {
  std::vector<std::string> paths;
  std::vector<std::string> nodes;
};

struct Effort {
  unsigned reorderings = 0;  // random allowed sets tried after each store
  unsigned successions = 0;  // one agent takes over in so many images; 0: none does
};

// Replays `stores` (those of `writer`, or a forgery of them) from position `begin` on. The cost of an image is some
// 20 us, that of a succession a millisecond.
CrashReport check_every_crash(const store_log::RecordedWriter& writer, const std::vector<store_log::Store>& stores,
                              std::size_t begin, const Questions& questions, const Effort& effort);

// Readers that are slower than the writer: between any two loads of a lookup, some of the stores happen.
CrashReport check_slow_readers(const store_log::RecordedWriter& writer, std::size_t begin, const Questions& questions,
                               unsigned readers);

}  // namespace bifrost::crash
