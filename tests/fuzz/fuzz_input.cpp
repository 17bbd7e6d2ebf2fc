#include "fuzz_input.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iterator>
#include <stdexcept>

#include "common/base/segment_dir.hpp"
#include "common/base/unique_fd.hpp"
#include "common/reader/segment.hpp"

namespace bifrost::fuzz {
namespace {

constexpr std::size_t kHeadBytes = 4;
constexpr std::size_t kDamageBytes = 11;
constexpr std::uint64_t kPageWords = layout::kPageBytes / layout::kWordBytes;

template <class T>
T number_at(const std::uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

}  // namespace

FuzzInput::FuzzInput() : files_(sound_.root, sound_.chunks), dir_("/dev/shm/bifrost-fuzz-XXXXXX") {
  if (::mkdtemp(dir_.data()) == nullptr) throw std::runtime_error("cannot make a directory in /dev/shm");
  write_file(0, sound_.root.size() * layout::kWordBytes);
  for (const auto& [number, words] : sound_.chunks) write_file(number, words.size() * layout::kWordBytes);
}

FuzzInput::~FuzzInput() {
  std::filesystem::remove_all(dir_);
}

std::string FuzzInput::file_of(std::uint64_t chunk) const {
  return path_in(dir_, chunk == 0 ? std::string(kSegmentFileName) : chunk_file_name(chunk));
}

// The words as they are now, cut or filled up with zeros.
void FuzzInput::write_file(std::uint64_t chunk, std::uint64_t bytes) const {
  const SoundSegment::Words& words = files_.words_of(chunk);
  const std::size_t count = std::min<std::uint64_t>(bytes, words.size() * layout::kWordBytes);
  const UniqueFd fd(::open(file_of(chunk).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const bool written = ::ftruncate(fd.get(), 0) == 0 && ::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0 &&
                       ::pwrite(fd.get(), words.data(), count, 0) == static_cast<ssize_t>(count);
  if (!written) throw std::runtime_error("cannot write " + file_of(chunk));
}

FuzzInput::Place FuzzInput::place(Part part, std::uint16_t which) const {
  if (part == Part::kMemory) return sound_.places[which % sound_.places.size()];
  const std::uint64_t offset = which % kPageWords * layout::kWordBytes;
  if (part == Part::kRootFile) return {0, offset};
  return {std::next(sound_.chunks.begin(), which / kPageWords % sound_.chunks.size())->first, offset};
}

layout::Word& FuzzInput::word(Place at) {
  return files_.words_of(at.chunk)[at.offset / layout::kWordBytes];
}

void FuzzInput::damage(Part part, std::uint8_t how, std::uint16_t which, layout::Word with) {
  const Place at = place(part, which);
  const std::uint64_t bytes = files_.words_of(at.chunk).size() * layout::kWordBytes;
  switch (how % 6) {
    case 0: word(at) = with; break;
    case 1: word(at) ^= with; break;
    case 2: {  // the address of a block's word, in a root as it stands in a slot
      const Place to = sound_.places[with % sound_.places.size()];
      const layout::Word kept = at.chunk == 0 ? word(at) & ~layout::kSlotAddressMask : 0;
      word(at) = kept | Address({to.chunk}, to.offset).value;
      break;
    }
    case 3: word(at) = with % (2 * bytes); break;  // a length, or an offset
    default:
      if (part == Part::kMemory) {
        word(at) = word(sound_.places[with % sound_.places.size()]);
        break;
      }
      written_.insert(at.chunk);
      if (how % 6 == 4) {
        write_file(at.chunk, with % (2 * bytes));
      } else {
        std::filesystem::remove(file_of(at.chunk));
      }
      return;
  }
  damaged_.push_back(at);
  if (part == Part::kMemory || written_.count(at.chunk) != 0) return;
  const UniqueFd fd(::open(file_of(at.chunk).c_str(), O_RDWR | O_CLOEXEC));
  static_cast<void>(::pwrite(fd.get(), &word(at), sizeof(layout::Word), static_cast<off_t>(at.offset)));
}

void FuzzInput::read(const std::uint8_t* data, std::size_t size) {
  if (size < kHeadBytes) return;
  const auto part = static_cast<Part>(data[0] % 3);
  const std::string& path = sound_.paths[data[1] % sound_.paths.size()];
  const CheckedFiles::Memory memory = files_.memory();
  const SlotNumber slot{number_at<std::uint16_t>(data + 2) % memory.regions().slot_count};
  for (std::size_t at = kHeadBytes; at + kDamageBytes <= size; at += kDamageBytes) {
    damage(part, data[at], number_at<std::uint16_t>(data + at + 1), number_at<std::uint64_t>(data + at + 3));
  }
  if (part == Part::kMemory) {
    const auto snapshot = BasicSnapshot<CheckedFiles::Memory>::newest(memory);
    read_everything(snapshot, path, slot, [this] { files_.forget_loads(); });
  } else {
    read_files(path, slot);
  }
  restore();
}

void FuzzInput::read_files(const std::string& path, SlotNumber slot) const {
  const auto segment = Segment::attach(dir_);
  if (!segment) return;
  static_cast<void>((*segment)->info());
  read_everything((*segment)->snapshot(), path, slot, [] {});
  const auto again = (*segment)->has_gone() ? (*segment)->without_gone() : *segment;
  read_everything(again->snapshot(), path, slot, [] {});
}

void FuzzInput::restore() {
  for (const Place at : damaged_) {
    word(at) = (at.chunk == 0 ? sound_.root : sound_.chunks.at(at.chunk))[at.offset / layout::kWordBytes];
    const UniqueFd fd(::open(file_of(at.chunk).c_str(), O_RDWR | O_CLOEXEC));
    if (fd.valid())
      static_cast<void>(::pwrite(fd.get(), &word(at), sizeof(layout::Word), static_cast<off_t>(at.offset)));
  }
  for (const std::uint64_t chunk : written_) {
    write_file(chunk, files_.words_of(chunk).size() * layout::kWordBytes);
  }
  damaged_.clear();
  written_.clear();
}

}  // namespace bifrost::fuzz
