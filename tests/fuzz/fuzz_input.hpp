// fuzz_input.hpp - arbitrary bytes, taken for damage to a sound segment, and read as a worker would read it.
//
// Format: byte 0 says where the damage is: even in copies of root and chunks (every load is checked), odd in the header
// pages of files that are attached. Byte 1 chooses the path that is asked for, bytes 2 and 3 a slot. Each 11 bytes after
// that are one damaged word: how (set, flip, point into a chunk, point to a word in use), which word (two bytes), and
// what with (eight).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sound_segment.hpp"

namespace bifrost::fuzz {

// One thread.
class FuzzInput {
 public:
  FuzzInput();
  ~FuzzInput();
  FuzzInput(const FuzzInput&) = delete;
  FuzzInput& operator=(const FuzzInput&) = delete;

  // Ends in an answer, whatever the bytes. Everything is whole again afterwards.
  void read(const std::uint8_t* data, std::size_t size);

 private:
  void damage(layout::Word& word, std::uint8_t how, layout::Word with) const;
  // The header page of a file in dir_, as it is in image_.
  void write_header(std::uint64_t file);
  void read_files(const std::string& path, SlotNumber slot) const;

  SoundSegment sound_;
  CheckedFiles image_;
  std::string dir_;
};

}  // namespace bifrost::fuzz
