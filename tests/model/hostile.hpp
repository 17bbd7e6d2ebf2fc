// hostile.hpp - segments that no writer made: each lacks one thing that readers must not rely on.
//
// Every load is checked: aligned, inside the segment, and no more of them than a lookup may need (CheckedWords).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/layout/key_hash.hpp"
#include "common/layout/segment_layout.hpp"
#include "explorer.hpp"
#include "reader_answers.hpp"
#include "scripts.hpp"
#include "store_index.hpp"
#include "tests/common/checked_words.hpp"

namespace bifrost::model {

template <class Protocol>
class HostileSegments {
 public:
  using Snapshot = typename Protocol::template Snapshot<CheckedWords>;

  HostileSegments() {
    const Script& script = updates();
    const store_log::StoreIndex index(script.writer->log().stores());
    for (std::uint64_t offset = 0; offset < regions_.total_bytes; offset += layout::kWordBytes) {
      sound_.push_back(index.value_after(0, offset, script.writer->log().size()));
    }
    slot_ = slot_of(layout::KeySpace::kFile, "a.py");
    record_ = layout::slot_record(at(slot_)).value;
  }

  // The first thing that went wrong, or nothing.
  std::string violation() {
    using namespace layout;
    expect_damaged("a chain that is a cycle", [this] {
      at(record_ + record::kCreated) = 99;
      at(record_ + record::kPrevious) = record_;
    });
    expect_damaged("a record that is not aligned", [this] { point_to(record_ + 4); });
    expect_damaged("a record before the heap", [this] { point_to(forge_at(3072)); });
    expect_damaged("a record behind the heap", [this] { point_to(regions_.heap_end() - kWordBytes); });
    expect_damaged("a content length that overflows", [this] {
      at(record_ + record::kContentBytes) = ~std::uint64_t{0};
      at(record_ + record::kExtentBytes) = extent_bytes(4, 2, 0);
    });
    expect_damaged("a content longer than its extent", [this] { at(record_ + record::kContentBytes) = 64; });
    expect_damaged("an extent that leaves the heap", [this] {
      const std::uint64_t last = forge_at(regions_.heap_end() - extent_bytes(4, 2, 8));
      at(last + record::kContentBytes) = 4096;
      at(last + record::kExtentBytes) = extent_bytes(4, 2, 4096);
      point_to(last);
    });
    expect_damaged("a key over the limit", [this] { reshape({RecordKind::kSource, KeySpace::kFile, 1032, 2}); });
    expect_damaged("a shape with other bits", [this] { at(record_ + record::kShape) |= std::uint64_t{1} << 60; });
    expect_damaged("a token over the limit", [this] { reshape({RecordKind::kSource, KeySpace::kFile, 4, 1032}); });
    expect_damaged("a table without an end", [this] {
      for (std::uint64_t s = 0; s < regions_.slot_count; ++s) at(regions_.slot_offset({s})) = slot_word(1, {record_});
    });
    expect_answer(
        "a table whose every slot leads into a long chain", store_log::kLostAnswer, [this] { chain_everything(); },
        nullptr, false);
    const std::uint64_t node = slot_record(at(slot_of(KeySpace::kNode, "b"))).value;
    expect_damaged(
        "a link out of the table", [&] { at(node + record::kLink) = std::uint64_t{1} << 40; }, "b");
    expect_damaged(
        "a link to another file",
        [&] {
          const std::uint64_t other = slot_of(KeySpace::kFile, "a/__init__.py");
          at(node + record::kLink) = (other - regions_.slots_offset) / kWordBytes;
        },
        "b");
    code_violations();
    return violation_;
  }

 private:
  // The list of variants hangs on a word that no checksum covers.
  void code_violations() {
    using namespace layout;
    const std::uint64_t list = record_ + record::kVariants;
    const std::uint64_t variant = sound_[list / 8];
    const auto expect = [this](const char* what, auto poke) { expect_damaged(what, poke, nullptr, true); };
    expect("a variant that is not aligned", [&] { at(list) = variant + 4; });
    expect("a variant before the heap", [&] {
      for (std::uint64_t done = 0; done < variant_bytes(8); done += 8) at(3072 + done) = at(variant + done);
      at(list) = 3072;
    });
    expect("a variant behind the heap", [&] { at(list) = regions_.heap_end() - kWordBytes; });
    expect("a code length that overflows", [&] {
      at(variant + variant::kCodeBytes) = ~std::uint64_t{0};
      at(variant + variant::kExtentBytes) = variant_bytes(0);
    });
    const std::uint64_t last = regions_.heap_end() - variant_bytes(8);
    const auto move_to_the_end = [&] {
      for (std::uint64_t done = 0; done < variant_bytes(8); done += 8) at(last + done) = at(variant + done);
      at(last + variant::kCodeBytes) = 4096;
      at(list) = last;
    };
    expect("code longer than its extent", move_to_the_end);
    expect("code that leaves the heap", [&] {
      move_to_the_end();
      at(last + variant::kExtentBytes) = variant_bytes(4096);
    });
    expect("code of another source", [&] {
      at(variant + variant::kDigestLow) ^= 1;
      seal(variant);
    });
    expect("code of another path", [&] {
      at(variant + variant::kKeyHash) ^= 1;
      seal(variant);
    });
    expect("code with another byte", [&] { at(variant + variant::kHeaderBytes) ^= 1; });
    expect_answer(
        "code of another interpreter", store_log::kMissAnswer,
        [&] {
          at(variant + variant::kMagic) ^= 1;
          seal(variant);
        },
        nullptr, true);
    expect_answer(
        "variants in a cycle", store_log::kMissAnswer,
        [&] {
          at(variant + variant::kMagic) ^= 1;
          at(variant + variant::kNext) = variant;
        },
        nullptr, true);
  }
  // Makes the checksum of a variant with 7 bytes of code right again.
  void seal(std::uint64_t variant) {
    layout::VariantHeadWords head;
    for (std::size_t i = 0; i < head.size(); ++i) head[i] = at(variant + layout::variant::kExtentBytes + i * 8);
    const std::string code = store_log::code_of("a2");
    const layout::Checksum sum = layout::variant_checksum(head, code);
    at(variant + layout::variant::kChecksumLow) = sum.low;
    at(variant + layout::variant::kChecksumHigh) = sum.high;
  }

  layout::Word& at(std::uint64_t offset) { return image_.empty() ? sound_[offset / 8] : image_[offset / 8]; }
  void point_to(std::uint64_t offset) {
    at(slot_) = layout::slot_word(layout::slot_fingerprint(at(slot_)), RecordOffset{offset});
  }
  // A copy of the sound record of `a.py`.
  std::uint64_t forge_at(std::uint64_t offset) {
    const std::uint64_t bytes = layout::extent_bytes(4, 2, 2);
    for (std::uint64_t done = 0; done < bytes; done += 8) at(offset + done) = at(record_ + done);
    return offset;
  }
  // A record of another shape in the middle of the heap, with room for it.
  void reshape(layout::Shape shape) {
    const std::uint64_t there = forge_at((regions_.heap_offset + regions_.heap_bytes / 2) / 16 * 16);
    at(there + layout::record::kShape) = layout::pack_shape(shape);
    at(there + layout::record::kExtentBytes) = layout::extent_bytes(shape.key_bytes, shape.token_bytes, 2);
    point_to(there);
  }
  // All slots have the fingerprint of `a.py` and lead to a chain as long as the heap has room for, too new to be seen.
  void chain_everything() {
    using namespace layout;
    const std::uint64_t bytes = extent_bytes(4, 2, 2);
    std::uint64_t previous = 0;
    std::uint64_t created = 1000;
    for (std::uint64_t there = regions_.heap_offset; there + bytes <= regions_.heap_end(); there += bytes) {
      for (std::uint64_t done = 0; done < bytes; done += kWordBytes) at(there + done) = sound_[(record_ + done) / 8];
      at(there + record::kCreated) = created++;
      at(there + record::kPrevious) = previous;
      at(there + record::kHeaderBytes) ^= 1;  // of another key
      previous = there;
    }
    const std::uint16_t print = slot_fingerprint(at(slot_));
    for (std::uint64_t s = 0; s < regions_.slot_count; ++s)
      at(regions_.slot_offset({s})) = slot_word(print, {previous});
  }
  std::uint64_t slot_of(layout::KeySpace space, std::string_view key) {
    const layout::KeyHash hash = layout::hash_key(space, key);
    SlotNumber slot = hash.first_slot(regions_.slot_count);
    while (layout::slot_fingerprint(at(regions_.slot_offset(slot))) != hash.fingerprint()) ++slot.value;
    return regions_.slot_offset(slot);
  }

  // Pokes a copy of the segment; every reader must call it damaged: the slot's, and that of `node` when given.
  template <class Poke>
  void expect_damaged(const char* what, Poke poke, const char* node = nullptr, bool code = false) {
    expect_answer(what, store_log::kDamagedAnswer, poke, node, code);
  }
  template <class Poke>
  void expect_answer(const char* what, const std::string& expected, Poke poke, const char* node, bool code) {
    image_ = sound_;
    poke();
    std::uint64_t loads = 0;
    const Snapshot snapshot = Snapshot::newest(CheckedWords(&image_, &loads, 2 * kMaxLookupLoads), regions_);
    std::string answer;
    try {
      if (code) {
        answer = store_log::code_answer<typename Protocol::Variant>(snapshot, "a.py");
      } else if (node != nullptr) {
        answer = store_log::node_answer(snapshot, node);
      } else {
        // Either way of finding the record: by its key, and by its slot, as walks do.
        answer = store_log::name_of(snapshot.at_slot({(slot_ - regions_.slots_offset) / 8}).status);
        const std::string by_key = store_log::file_answer(snapshot, "a.py");
        if (answer != store_log::kDamagedAnswer) answer = by_key;
      }
    } catch (const std::exception& e) {
      answer = e.what();
    }
    if (answer != expected && violation_.empty()) {
      violation_ = std::string(what) + ": `" + answer.substr(0, 60) + "` instead of `" + expected + "`";
    }
    image_.clear();
  }

  const layout::Regions regions_ = layout::compute_regions(1 << 20);
  std::vector<layout::Word> sound_;
  std::vector<layout::Word> image_;  // empty: the sound one
  std::uint64_t slot_ = 0;           // offset of the slot of `a.py`
  std::uint64_t record_ = 0;         // offset of its newest record
  std::string violation_;
};

}  // namespace bifrost::model
