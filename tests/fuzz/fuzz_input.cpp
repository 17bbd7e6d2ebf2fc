#include "fuzz_input.hpp"

#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "common/base/segment_dir.hpp"
#include "common/reader/segment.hpp"

namespace bifrost::fuzz {
namespace {

constexpr std::size_t kHeadBytes = 4;
constexpr std::size_t kDamageBytes = 11;

template <class T>
T number_at(const std::uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

}  // namespace

FuzzInput::FuzzInput() : image_(sound_.files), dir_("/dev/shm/bifrost-fuzz-XXXXXX") {
  if (::mkdtemp(dir_.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  const auto write = [this](const std::string& name, const CheckedFiles::Words& words) {
    std::ofstream out(path_in(dir_, name), std::ios::binary);
    out.write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(words.size() * layout::kWordBytes));
  };
  write(std::string(kSegmentFileName), image_.root());
  for (const auto& [number, words] : image_.chunks()) write(chunk_file_name(number), words);
}

FuzzInput::~FuzzInput() {
  std::filesystem::remove_all(dir_);
}

void FuzzInput::damage(layout::Word& word, std::uint8_t how, layout::Word with) const {
  const SoundSegment::Place& place = sound_.places[with % sound_.places.size()];
  switch (how % 4) {
    case 0: word = with; break;
    case 1: word ^= with; break;
    case 2: word = Address(ChunkNumber{1 + with % 3}, (with >> 8) % (1 << 17)).value; break;
    default: word = (word & ~layout::kSlotAddressMask) | Address(ChunkNumber{place.file}, place.offset).value; break;
  }
}

void FuzzInput::write_header(std::uint64_t file) {
  const std::string name = file == 0 ? std::string(kSegmentFileName) : chunk_file_name(file);
  std::fstream out(path_in(dir_, name), std::ios::binary | std::ios::in | std::ios::out);
  out.write(reinterpret_cast<const char*>(&word_at(image_, {file, 0})), layout::kPageBytes);
}

void FuzzInput::read(const std::uint8_t* data, std::size_t size) {
  if (size < kHeadBytes) return;
  const bool header = data[0] % 2 != 0;
  const std::uint64_t file = data[0] / 2 % 2;  // whose header: the root's, or that of the first chunk
  const std::string& path = sound_.paths[data[1] % sound_.paths.size()];
  const SlotNumber slot{number_at<std::uint16_t>(data + 2) % image_.memory().regions().slot_count};
  std::vector<SoundSegment::Place> damaged;
  for (std::size_t at = kHeadBytes; at + kDamageBytes <= size; at += kDamageBytes) {
    const auto which = number_at<std::uint16_t>(data + at + 1);
    const SoundSegment::Place place =
        header ? SoundSegment::Place{file, which * layout::kWordBytes % layout::kPageBytes}
               : sound_.places[which % sound_.places.size()];
    damage(word_at(image_, place), data[at], number_at<std::uint64_t>(data + at + 3));
    damaged.push_back(place);
  }
  if (header) {
    write_header(file);
    read_files(path, slot);
  } else {
    image_.forget_loads();
    read_everything(BasicSnapshot<CheckedFiles::Memory>::newest(image_.memory()), path, slot,
                    [this] { image_.forget_loads(); });
  }
  for (const SoundSegment::Place& place : damaged) word_at(image_, place) = word_at(sound_.files, place);
  if (header) write_header(file);
}

void FuzzInput::read_files(const std::string& path, SlotNumber slot) const {
  const auto segment = Segment::attach(dir_);
  if (!segment) return;
  static_cast<void>((*segment)->info());
  read_everything((*segment)->snapshot(), path, slot, [] {});
}

}  // namespace bifrost::fuzz
