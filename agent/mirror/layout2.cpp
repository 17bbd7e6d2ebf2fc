#include "agent/mirror/layout2.hpp"

#include <utility>

#include "common/base/segment_dir.hpp"
#include "common/layout/block_heads.hpp"
#include "common/layout/mapped_words.hpp"
#include "common/reader/checked_file.hpp"

namespace bifrost::agent {
namespace {

using layout::Word;

constexpr FileFormat kFormat = {layout::header::kMagic, 2, 0xaf9f'3792'e8a3'aef0};

// In the header.
constexpr std::uint64_t kSlotsOffset = 64;
constexpr std::uint64_t kSlotCount = 72;
constexpr std::uint64_t kGeneration = 1024;
// A slot: fingerprint above, offset of the newest record below.
constexpr Word kOffsetMask = (Word{1} << 48) - 1;
// In a record.
constexpr std::uint64_t kCreated = 0;
constexpr std::uint64_t kPrevious = 8;
constexpr std::uint64_t kExtentBytes = 16;
constexpr std::uint64_t kShape = 24;
constexpr std::uint64_t kContentBytes = 32;
constexpr std::uint64_t kDigestLow = 48;
constexpr std::uint64_t kDigestHigh = 56;
constexpr std::uint64_t kChecksumLow = 64;
constexpr std::uint64_t kChecksumHigh = 72;
constexpr std::uint64_t kMarks = 88;
constexpr std::uint64_t kHeaderBytes = 96;

bool has(Word marks, layout::Mark mark) {
  return (marks & static_cast<Word>(mark)) != 0;
}

}  // namespace

struct Layout2Segment::Record {
  std::uint64_t offset = 0;
  Generation created;
  std::uint64_t previous = 0;
  layout::Shape shape;
  std::uint64_t content_bytes = 0;

  std::uint64_t key() const { return offset + kHeaderBytes; }
  std::uint64_t token() const { return key() + layout::padded(shape.key_bytes); }
  std::uint64_t content() const { return token() + layout::padded(shape.token_bytes); }
};

Result<Layout2Segment> Layout2Segment::open(const std::string& dir) {
  const auto directory = open_segment_dir(dir);
  if (!directory) return directory.error();
  const auto file = open_checked(directory->fd.get(), dir, std::string(kSegmentFileName), Trust{}, kFormat);
  if (!file) return file.error();
  auto mapping = FileMapping::map(file->fd.get(), file->bytes, MapMode::kReadOnly);
  if (!mapping) return mapping.error();
  return Layout2Segment(std::move(*mapping), file->bytes);
}

Layout2Segment::Layout2Segment(FileMapping mapping, std::uint64_t bytes)
    : mapping_(std::move(mapping)), bytes_(bytes), generation_{ReadWords(mapping_.data()).relaxed(kGeneration)} {}

std::uint64_t Layout2Segment::for_each_source(const std::function<void(const Layout2Module&)>& visit) const {
  const ReadWords words(mapping_.data());
  const std::uint64_t slots = words.relaxed(kSlotsOffset);
  const std::uint64_t count = words.relaxed(kSlotCount);
  if (slots % layout::kWordBytes != 0 || slots > bytes_ || count > (bytes_ - slots) / layout::kWordBytes) return 1;
  std::uint64_t damaged = 0;
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    Record record;
    switch (visible_at(words.relaxed(slots + slot * layout::kWordBytes), record)) {
      case Lookup::kMiss: continue;
      case Lookup::kHit: break;
      default: ++damaged; continue;
    }
    if (record.shape.space != layout::KeySpace::kFile || record.shape.kind != layout::RecordKind::kSource) continue;
    if (!sound(record)) {
      ++damaged;
      continue;
    }
    const Word marks = words.relaxed(record.offset + kMarks);
    visit({text(record.key(), record.shape.key_bytes), text(record.content(), record.content_bytes),
           text(record.token(), record.shape.token_bytes), has(marks, layout::Mark::kRetained),
           has(marks, layout::Mark::kIndexLost)});
  }
  return damaged;
}

// kHit, kMiss or kDamaged. Commits that were never published are newer than the generation.
Lookup Layout2Segment::visible_at(std::uint64_t slot_word, Record& record) const {
  std::uint64_t offset = slot_word & kOffsetMask;
  Generation newer{~std::uint64_t{0}};
  while (offset != 0) {
    if (!read_header(offset, record) || record.created >= newer) return Lookup::kDamaged;
    if (record.created <= generation_) return Lookup::kHit;
    newer = record.created;  // falls strictly: the loop ends
    offset = record.previous;
  }
  return Lookup::kMiss;
}

bool Layout2Segment::read_header(std::uint64_t offset, Record& record) const {
  if (offset % layout::kWordBytes != 0 || offset < layout::kPageBytes || offset > bytes_ - kHeaderBytes) return false;
  const ReadWords words(mapping_.data());
  record.offset = offset;
  record.created = {words.relaxed(offset + kCreated)};
  record.previous = words.relaxed(offset + kPrevious);
  record.shape = layout::unpack_shape(words.relaxed(offset + kShape));
  record.content_bytes = words.relaxed(offset + kContentBytes);
  if (record.content_bytes > bytes_) return false;
  const std::uint64_t extent =
      layout::record_bytes(record.shape.key_bytes, record.shape.token_bytes, record.content_bytes);
  return words.relaxed(offset + kExtentBytes) == extent && extent <= bytes_ - offset;
}

bool Layout2Segment::sound(const Record& record) const {
  const ReadWords words(mapping_.data());
  layout::RecordHeadWords head;
  for (std::size_t i = 0; i < head.size(); ++i) head[i] = words.relaxed(record.offset + i * layout::kWordBytes);
  const auto checksum = [&](std::uint64_t low, std::uint64_t high) {
    return layout::Checksum{words.relaxed(record.offset + low), words.relaxed(record.offset + high)};
  };
  const std::string_view key_and_token = text(record.key(), record.content() - record.key());
  return layout::record_checksum(head, key_and_token) == checksum(kChecksumLow, kChecksumHigh) &&
         layout::content_digest(text(record.content(), record.content_bytes)) == checksum(kDigestLow, kDigestHigh);
}

std::string_view Layout2Segment::text(std::uint64_t offset, std::uint64_t bytes) const {
  return {reinterpret_cast<const char*>(mapping_.data()) + offset, bytes};
}

}  // namespace bifrost::agent
