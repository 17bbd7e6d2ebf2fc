// fuzz_input.hpp - arbitrary bytes, taken for damage to a sound segment, and read as a worker would read it.
//
// Format: byte 0 says where the damage is: even in the image (loads from memory of exactly the segment's size), odd
// in the header page of a file that is attached. Byte 1 chooses the path that is asked for, bytes 2 and 3 a slot. Each
// 11 bytes after that are one damaged word: how (set, flip, point into the heap, point to a word in use), which word
// (two bytes), and what with (eight).
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
  void read_file(const std::string& path, SlotNumber slot) const;

  SoundSegment sound_;
  std::vector<layout::Word> image_;
  std::string dir_;
  int fd_ = -1;  // of the file in dir_
};

}  // namespace bifrost::fuzz
