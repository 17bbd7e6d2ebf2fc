#include "fuzz_input.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
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

FuzzInput::FuzzInput() : image_(sound_.words), dir_("/dev/shm/bifrost-fuzz-XXXXXX") {
  if (::mkdtemp(dir_.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  fd_ = ::open(path_in(dir_, kSegmentFileName).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (::pwrite(fd_, image_.data(), kSegmentBytes, 0) != ssize_t{kSegmentBytes})
    throw std::runtime_error("cannot write");
}

FuzzInput::~FuzzInput() {
  ::close(fd_);
  std::filesystem::remove_all(dir_);
}

void FuzzInput::damage(layout::Word& word, std::uint8_t how, layout::Word with) const {
  switch (how % 4) {
    case 0: word = with; break;
    case 1: word ^= with; break;
    case 2: word = layout::compute_regions(kSegmentBytes).heap_offset + with % sound_.heap_used_end / 8 * 8; break;
    default: word = (word & ~layout::kSlotOffsetMask) | sound_.places[with % sound_.places.size()]; break;
  }
}

void FuzzInput::read(const std::uint8_t* data, std::size_t size) {
  if (size < kHeadBytes) return;
  const bool header = data[0] % 2 != 0;
  const std::string& path = sound_.paths[data[1] % sound_.paths.size()];
  const layout::Regions regions = layout::compute_regions(kSegmentBytes);
  const SlotNumber slot{number_at<std::uint16_t>(data + 2) % regions.slot_count};
  std::vector<std::size_t> damaged;
  for (std::size_t at = kHeadBytes; at + kDamageBytes <= size; at += kDamageBytes) {
    const auto which = number_at<std::uint16_t>(data + at + 1);
    const std::size_t word = header ? which % (layout::kHeaderBytes / layout::kWordBytes)
                                    : sound_.places[which % sound_.places.size()] / layout::kWordBytes;
    damage(image_[word], data[at], number_at<std::uint64_t>(data + at + 3));
    damaged.push_back(word);
  }
  if (header) {
    read_file(path, slot);
  } else {
    const ReadWords words(reinterpret_cast<const std::byte*>(image_.data()));
    read_everything(Snapshot::newest(words, regions), path, slot, [] {});
  }
  for (const std::size_t word : damaged) image_[word] = sound_.words[word];
}

void FuzzInput::read_file(const std::string& path, SlotNumber slot) const {
  if (::pwrite(fd_, image_.data(), layout::kHeaderBytes, 0) != ssize_t{layout::kHeaderBytes}) {
    throw std::runtime_error("cannot write");
  }
  const auto segment = Segment::attach(dir_);
  if (!segment) return;
  static_cast<void>((*segment)->info());
  read_everything((*segment)->snapshot(), path, slot, [] {});
}

}  // namespace bifrost::fuzz
