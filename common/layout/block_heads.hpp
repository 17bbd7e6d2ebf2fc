// block_heads.hpp - the fixed parts of records and variants as values: their words, and what a checksum vouches for.
//
// read() takes the words as they come, `word(offset)` being a load of the block's word at that offset in bytes: nothing
// has been checked then. Specification: docs/shm-layout.md.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/layout/code_tag.hpp"
#include "common/layout/key_hash.hpp"
#include "common/layout/record_layout.hpp"

namespace bifrost {
namespace layout {

// Checksum of a record: its first eight words (the digest of its content among them), key and token with their padding.
// A record can be trusted without reading its content, and the content by its digest. kVariants and kMarks change after
// publication and do not count.
using RecordHeadWords = std::array<Word, (record::kChecksumLow - record::kExtent) / kWordBytes>;
inline Checksum record_checksum(const RecordHeadWords& head, std::string_view key_and_token) {
  return seeded_checksum(head, key_and_token);
}
// Checksum of a variant: its words from kCodeBytes on, and the code without padding.
using VariantHeadWords = std::array<Word, (variant::kChecksumLow - variant::kCodeBytes) / kWordBytes>;
inline Checksum variant_checksum(const VariantHeadWords& head, std::string_view code) {
  return seeded_checksum(head, code);
}

}  // namespace layout

// Of a record, but for the list of its variants, which grows.
struct RecordHead {
  Generation created;
  Address previous;
  layout::Shape shape;
  std::uint64_t content_bytes = 0;
  layout::Word link = 0;    // key hash of the file that a module or package stands for
  layout::Checksum digest;  // of the content
  std::uint64_t marks = 0;  // bits of layout::Mark

  std::uint64_t extent_bytes() const { return layout::record_bytes(shape.key_bytes, shape.token_bytes, content_bytes); }
  bool has(layout::Mark mark) const { return (marks & static_cast<std::uint64_t>(mark)) != 0; }

  template <class Load>
  void read(const Load& word) {
    namespace record = layout::record;
    created = {word(record::kCreated)};
    previous = Address(word(record::kPrevious));
    shape = layout::unpack_shape(word(record::kShape));
    content_bytes = word(record::kContentBytes);
    link = word(record::kLink);
    digest = {word(record::kDigestLow), word(record::kDigestHigh)};
    marks = word(record::kMarks);
  }
  layout::RecordHeadWords words() const {
    return {layout::pack_extent(layout::Block::kRecord, extent_bytes()),
            created.value,
            previous.value,
            layout::pack_shape(shape),
            content_bytes,
            link,
            digest.low,
            digest.high};
  }
};

// Of a variant, but for the address of the next one.
struct VariantHead {
  std::uint64_t code_bytes = 0;
  CodeTag tag;
  layout::Checksum digest;    // of the source that was compiled
  layout::Word key_hash = 0;  // of the storage path that it was compiled for

  std::uint64_t extent_bytes() const { return layout::variant_bytes(code_bytes); }

  template <class Load>
  void read(const Load& word) {
    namespace variant = layout::variant;
    code_bytes = word(variant::kCodeBytes);
    tag = CodeTag::read(word, variant::kCacheTag, variant::kMagic);
    digest = {word(variant::kDigestLow), word(variant::kDigestHigh)};
    key_hash = word(variant::kKeyHash);
  }
  layout::VariantHeadWords words() const {
    const auto& text = tag.text();
    return {code_bytes, tag.key(), text[0], text[1], text[2], text[3], digest.low, digest.high, key_hash};
  }
};

}  // namespace bifrost
