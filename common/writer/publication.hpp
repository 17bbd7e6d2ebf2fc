// publication.hpp - the writer's half of the protocol that snapshot.hpp reads: the few stores whose order matters.
//
// Concurrency: one writer. A writer killed between any two of these stores leaves blocks that no reader's generation
// reaches: there is nothing to repair and nothing to wait for.
// Invariants (I1) and (I2): see common/reader/snapshot.hpp. Proof: docs/consistency.md section 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/layout/block_heads.hpp"
#include "common/layout/mapped_words.hpp"

namespace bifrost {

// Stores into a chunk.
class ChunkPublication {
 public:
  explicit ChunkPublication(WriteWords words) : words_(words) {}

  // Fills the memory at `offset` with a record that no slot refers to yet. `body` is key, token and content, each
  // padded with zeros to whole words; `variants` the first of a list that is there already, or 0.
  void write_record(std::uint64_t offset, const RecordHead& head, Address variants, std::string_view body) {
    const layout::RecordHeadWords words = head.words();
    const std::uint64_t vouched = layout::padded(head.shape.key_bytes) + layout::padded(head.shape.token_bytes);
    const layout::Checksum sum = layout::record_checksum(words, body.substr(0, vouched));
    // Relaxed stores: publish_slot() releases them.
    for (std::uint64_t i = 0; i < words.size(); ++i) words_.relaxed(offset + i * layout::kWordBytes, words[i]);
    words_.relaxed(offset + layout::record::kChecksumLow, sum.low);
    words_.relaxed(offset + layout::record::kChecksumHigh, sum.high);
    words_.relaxed(offset + layout::record::kVariants, variants.value);
    words_.relaxed(offset + layout::record::kMarks, head.marks);
    words_.copy_in(offset + layout::record::kHeaderBytes, body.data(), body.size());
    extend(offset + head.extent_bytes());
  }

  // Fills the memory at `offset` with a variant that nothing leads to yet.
  void write_variant(std::uint64_t offset, const VariantHead& head, std::string_view code) {
    const std::uint64_t bytes = head.extent_bytes();
    const layout::VariantHeadWords words = head.words();
    const layout::Checksum sum = layout::variant_checksum(words, code);
    words_.relaxed(offset + layout::variant::kExtent, layout::pack_extent(layout::Block::kVariant, bytes));
    words_.relaxed(offset + layout::variant::kNext, 0);
    for (std::uint64_t i = 0; i < words.size(); ++i) {
      words_.relaxed(offset + layout::variant::kCodeBytes + i * layout::kWordBytes, words[i]);
    }
    words_.relaxed(offset + layout::variant::kChecksumLow, sum.low);
    words_.relaxed(offset + layout::variant::kChecksumHigh, sum.high);
    words_.copy_in(offset + layout::variant::kHeaderBytes, code.data(), code.size());
    extend(offset + bytes);
  }

  // Hangs a variant on the word that ends a list: kVariants of a record or kNext of a variant, 0 until now. Address 0
  // takes a list that is not sound off its record.
  void attach_variant(std::uint64_t word_offset, Address variant) {
    // SYNC variant-attach (release): pairs with BasicSnapshot::next_variant (acquire).
    // Whoever reads this address sees the variant that it names.
    words_.release(word_offset, variant.value);
  }

  void mark(std::uint64_t offset, std::uint64_t marks) {
    words_.relaxed(offset + layout::record::kMarks, marks);  // informational: no order needed
  }

  // Gives the memory behind the header page back to the kernel, though readers may have it mapped. Nothing that a kept
  // snapshot needs may be in it.
  void give_back(std::uint64_t bytes) {
    // Release: who sees this word and looks again finds slots that lead elsewhere, and how far back history is kept.
    words_.release(layout::chunk::kGone, 1);
    // SYNC chunk-gone (release fence): pairs with MappedChunk::gone (acquire fence).
    // A reader that sees memory without its content also sees the word above.
    words_.fence_release();
    words_.drop(layout::chunk::kHeaderBytes, bytes - layout::chunk::kHeaderBytes);
  }

 private:
  // Release: after a kill between two stores, what lies below kUsedBytes is whole, and can be walked.
  void extend(std::uint64_t used) { words_.release(layout::chunk::kUsedBytes, used); }

  WriteWords words_;
};

// Stores into a root.
class Publication {
 public:
  Publication() = default;
  Publication(WriteWords words, layout::Regions regions) : words_(words), regions_(regions) {}

  // Makes the record the head of its key's chain. Readers at today's generation step over it.
  void publish_slot(SlotNumber slot, layout::Word word) {
    // SYNC slot-publish (release): pairs with BasicSnapshot::find and at_slot (acquire).
    // Whoever reads this slot sees the record it names, and through it every earlier version; who reads that a slot was
    // dropped sees that snapshots from before are not kept.
    words_.release(regions_.slot_offset(slot), word);
  }

  // The commit's record: history for tools. Before the generation that it is about.
  void publish_commit(Address record) {
    // SYNC commit-log (release): pairs with BasicSnapshot::last_commit (acquire).
    words_.release(layout::control::kLastCommit, record.value);
  }

  // Everything created at or before `generation` becomes visible at once.
  void publish_generation(Generation generation) {
    // SYNC generation-publish (release): pairs with BasicSnapshot::newest (acquire).
    words_.release(layout::control::kGeneration, generation.value);
  }

  // Snapshots older than `oldest` may lose versions after this. For readers it might be relaxed: one for whom it
  // matters has read a slot that was dropped later (SYNC slot-publish), or a chunk that is gone. Release: after a kill
  // between two stores, `oldest` has been published.
  void give_up_before(Generation oldest) { words_.release(layout::control::kOldestGeneration, oldest.value); }

  void retire() {
    // SYNC retired (release): pairs with BasicControlBlock::retired (acquire). The successor has its name by now.
    words_.release(layout::control::kRetired, 1);
  }

  // `synced_through` first: a reader that finds the lease valid also finds the time it is based on.
  void publish_sync(std::uint64_t synced_through_ns, std::uint64_t lease_until_ns, std::uint64_t held_since_ns) {
    // SYNC held-since (release): pairs with BasicControlBlock::shown_through (acquire). Before the time that it limits;
    // and what was held until now was published before.
    words_.release(layout::control::kHeldSinceNs, held_since_ns);
    // SYNC synced-through (release): pairs with BasicControlBlock::synced_through and lease_valid (acquire). The
    // generation that holds the writes of that time was published before.
    words_.release(layout::control::kSyncedThroughNs, synced_through_ns);
    words_.release(layout::control::kLeaseUntilNs, lease_until_ns);
  }

  // Nothing: misses say nothing. Relaxed: see BasicControlBlock::complete.
  void show_complete(std::optional<Generation> since) {
    words_.relaxed(layout::control::kComplete, since ? layout::complete_since(*since) : 0);
  }

  // Numbers to show: each is recent on its own, no order needed.
  void show(std::uint64_t offset, std::uint64_t value) { words_.relaxed(offset, value); }

 private:
  WriteWords words_;
  layout::Regions regions_;
};

}  // namespace bifrost
