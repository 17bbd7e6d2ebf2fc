// fuzz_input.hpp - arbitrary bytes, taken for damage to a sound root and its chunks, and read as a worker would.
//
// Format: byte 0 says what is damaged: 0 words in memory (each load is checked), 1 the header page of the root's file,
// 2 a chunk's file; modulo 3. Byte 1 chooses the path that is asked for, bytes 2 and 3 a slot. Each 11 bytes after that
// are one damage: how, where (two bytes), and what with (eight).
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "sound_segment.hpp"
#include "tests/common/checked_words.hpp"

namespace bifrost::fuzz {

// One thread.
class FuzzInput {
 public:
  FuzzInput();
  ~FuzzInput();
  FuzzInput(const FuzzInput&) = delete;
  FuzzInput& operator=(const FuzzInput&) = delete;

  // Ends in an answer, whatever the bytes; throws when a load goes astray. Everything is whole again afterwards.
  void read(const std::uint8_t* data, std::size_t size);

 private:
  enum class Part { kMemory, kRootFile, kChunkFile };
  using Place = SoundSegment::Place;

  Place place(Part part, std::uint16_t which) const;
  layout::Word& word(Place at);
  void damage(Part part, std::uint8_t how, std::uint16_t which, layout::Word with);
  void read_files(const std::string& path, SlotNumber slot) const;
  void restore();

  void write_file(std::uint64_t chunk, std::uint64_t bytes) const;
  std::string file_of(std::uint64_t chunk) const;

  SoundSegment sound_;
  CheckedFiles files_;
  std::vector<Place> damaged_;
  std::set<std::uint64_t> written_;  // files that are not as they should be
  std::string dir_;                  // with the sound files
};

}  // namespace bifrost::fuzz
