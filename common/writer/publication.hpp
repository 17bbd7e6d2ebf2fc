// publication.hpp - the writer's half of the protocol that snapshot.hpp reads: the few stores whose order matters.
//
// Concurrency: one writer. A writer killed between any two of these stores leaves records that no reader's generation
// reaches: there is nothing to repair and nothing to wait for.
// Invariants (I1) and (I2): see common/reader/snapshot.hpp. Proof: docs/consistency.md section 2.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/layout/code_tag.hpp"
#include "common/layout/key_hash.hpp"
#include "common/layout/mapped_words.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

// The fixed part of a record about to be written.
struct RecordHead {
  Generation created;
  RecordOffset previous;
  std::uint64_t extent_bytes = 0;
  layout::Shape shape;
  std::uint64_t content_bytes = 0;
  SlotNumber link;
  layout::Checksum digest;  // of the content
  RecordOffset variants;    // first of a list that the version before made of the same content, or 0
};

// The fixed part of a variant about to be written.
struct VariantHead {
  CodeTag tag;
  layout::Checksum digest;  // of the source that was compiled
  layout::Word key_hash = 0;
};

template <class Words>
class BasicPublication {
 public:
  BasicPublication() = default;
  BasicPublication(Words words, const layout::Regions& regions) : words_(words), regions_(regions) {}

  // Fills the memory at `at` with a record that no slot refers to yet. `body` is key, token and content, each padded
  // with zeros to whole words.
  void write_record(RecordOffset at, const RecordHead& head, std::string_view body) {
    const layout::RecordHeadWords words = {
        head.created.value, head.previous.value, head.extent_bytes, layout::pack_shape(head.shape),
        head.content_bytes, head.link.value,     head.digest.low,   head.digest.high};
    const std::uint64_t vouched = layout::padded(head.shape.key_bytes) + layout::padded(head.shape.token_bytes);
    const layout::Checksum sum = layout::record_checksum(words, body.substr(0, vouched));
    // Relaxed stores: publish_slot() releases them. They are atomic all the same, because a reader whose snapshot is
    // lost may still be looking at this memory.
    for (std::uint64_t i = 0; i < words.size(); ++i) words_.relaxed(at.value + i * layout::kWordBytes, words[i]);
    words_.relaxed(at.value + layout::record::kChecksumLow, sum.low);
    words_.relaxed(at.value + layout::record::kChecksumHigh, sum.high);
    words_.relaxed(at.value + layout::record::kVariants, head.variants.value);
    words_.relaxed(at.value + layout::record::kMarks, 0);
    words_.copy_in(at.value + layout::record::kHeaderBytes, body.data(), body.size());
  }

  // Fills the memory at `at` with a variant that nothing leads to yet.
  void write_variant(RecordOffset at, const VariantHead& head, std::string_view code) {
    const std::uint64_t extent = layout::variant_bytes(code.size());
    const auto& text = head.tag.text();
    const layout::VariantHeadWords words = {extent,  code.size(), head.tag.key(),  text[0],          text[1],
                                            text[2], text[3],     head.digest.low, head.digest.high, head.key_hash};
    const layout::Checksum sum = layout::variant_checksum(words, code);
    words_.relaxed(at.value + layout::variant::kNext, 0);
    for (std::uint64_t i = 0; i < words.size(); ++i) {
      words_.relaxed(at.value + layout::variant::kExtentBytes + i * layout::kWordBytes, words[i]);
    }
    words_.relaxed(at.value + layout::variant::kChecksumLow, sum.low);
    words_.relaxed(at.value + layout::variant::kChecksumHigh, sum.high);
    words_.copy_in(at.value + layout::variant::kHeaderBytes, code.data(), code.size());
  }

  // Hangs a variant on the word that ends a list: kVariants of a record or kNext of a variant, 0 until now.
  void attach_variant(std::uint64_t word_offset, RecordOffset variant) {
    // SYNC variant-attach (release): pairs with BasicSnapshot::next_variant (acquire).
    // Whoever reads this offset sees the variant that it names.
    words_.release(word_offset, variant.value);
  }

  // Makes the record the head of its key's chain. Readers at today's generation step over it.
  void publish_slot(SlotNumber slot, layout::Word word) {
    // SYNC slot-publish (release): pairs with BasicSnapshot::find and at_slot (acquire).
    // Whoever reads this slot sees the record it names, and through it every earlier version.
    words_.release(regions_.slot_offset(slot), word);
  }

  // Everything created at or before `generation` becomes visible at once.
  void publish_generation(Generation generation) {
    // SYNC generation-publish (release): pairs with BasicSnapshot::newest (acquire).
    words_.release(layout::control::kGeneration, generation.value);
  }

  // Snapshots older than `oldest` are given up: memory superseded at or before it may be written after this.
  void give_up_before(Generation oldest) {
    words_.relaxed(layout::control::kOldestGeneration, oldest.value);
    // SYNC oldest-generation (release fence): pairs with BasicSnapshot::confirm (acquire fence).
    // A reader that sees any later store into reused memory also sees the generation above.
    words_.fence_release();
  }

  void retire() {
    // SYNC retired (release): pairs with BasicControlBlock::retired (acquire). The successor has its name by now.
    words_.release(layout::control::kRetired, 1);
  }

  // `synced_through` first: a reader that finds the lease valid also finds the time it is based on.
  void publish_sync(std::uint64_t synced_through_ns, std::uint64_t lease_until_ns) {
    // SYNC synced-through (release): pairs with BasicControlBlock::synced_through and lease_valid (acquire). The
    // generation that holds the writes of that time was published before.
    words_.release(layout::control::kSyncedThroughNs, synced_through_ns);
    words_.release(layout::control::kLeaseUntilNs, lease_until_ns);
  }

  void show_complete(bool complete) {
    // SYNC complete (release): pairs with BasicControlBlock::complete (acquire). The commit that made it true was
    // published before.
    words_.release(layout::control::kComplete, complete ? 1 : 0);
  }

  void mark(RecordOffset at, std::uint64_t marks) {
    words_.relaxed(at.value + layout::record::kMarks, marks);  // informational: no order needed
  }

  // Numbers to show: each is recent on its own, no order needed.
  void show(std::uint64_t offset, std::uint64_t value) { words_.relaxed(offset, value); }

  Words& words() { return words_; }
  const layout::Regions& regions() const { return regions_; }

 private:
  Words words_;
  layout::Regions regions_;
};

using Publication = BasicPublication<WriteWords>;

}  // namespace bifrost
