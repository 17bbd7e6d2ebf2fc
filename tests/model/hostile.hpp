// hostile.hpp - files that no writer made: each lacks one thing that readers must not rely on.
//
// Every load is checked: aligned, inside its file, and no more of them than a lookup may need (CheckedWords).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/layout/block_heads.hpp"
#include "reader_answers.hpp"
#include "scripts.hpp"
#include "store_index.hpp"
#include "tests/common/checked_words.hpp"

namespace bifrost::model {

template <class Protocol>
class HostileSegments {
 public:
  using Snapshot = typename Protocol::template Snapshot<CheckedFiles::Memory>;

  HostileSegments() {
    slot_ = slot_of(layout::KeySpace::kFile, "a.py");
    record_ = record_in(slot_);
    variant_ = Address(word(record_ + layout::record::kVariants)).offset();
  }

  // The first thing that went wrong, or nothing.
  std::string violation() {
    record_violations();
    table_violations();
    node_violations();
    changed_bytes();
    code_violations();
    return violation_;
  }

 private:
  using Words = std::vector<layout::Word>;
  static constexpr std::uint64_t kRecordBytes = layout::record_bytes(4, 2, 2);  // of `a.py`
  static constexpr std::uint64_t kVariantBytes = layout::variant_bytes(7);      // of its code
  static constexpr std::uint64_t kFree = store_log::kSmallChunk - 4096;         // nothing is there yet

  void record_violations() {
    using namespace layout;
    damaged("a chain that is a cycle", [this] {
      word(record_ + record::kCreated) = 99;
      word(record_ + record::kPrevious) = Address({1}, record_).value;
    });
    damaged("a record in the header page", [this] { point_to(forge_at(2048)); });
    damaged("a record behind what is used", [this] { point_to(forge_at(kFree)); });
    damaged("a record across the end of the file", [this] { point_to(forge_at(end() - 64)), use(end()); });
    damaged("more used than there is", [this] { point_to(forge_at(end() - 64)), use(end() + kPageBytes); });
    damaged("less used than a header", [this] { use(8); });
    damaged("another kind of block",
            [this] { word(record_ + record::kExtent) = pack_extent(Block::kVariant, kRecordBytes); });
    damaged("a content length that overflows", [this] {
      word(record_ + record::kContentBytes) = ~std::uint64_t{0};
      word(record_ + record::kExtent) = pack_extent(Block::kRecord, record_bytes(4, 2, 0));
    });
    damaged("a content longer than its extent", [this] { word(record_ + record::kContentBytes) = 64; });
    damaged("an extent that leaves what is used", [this] {
      point_to(forge_at(kFree));
      word(kFree + record::kContentBytes) = 2048;
      word(kFree + record::kExtent) = pack_extent(Block::kRecord, record_bytes(4, 2, 2048));
      use(kFree + kRecordBytes);
    });
    damaged("a key over the limit", [this] { reshape({RecordKind::kSource, KeySpace::kFile, 1032, 2}); });
    damaged("a token over the limit", [this] { reshape({RecordKind::kSource, KeySpace::kFile, 4, 1032}); });
    damaged("a shape with other bits", [this] { word(record_ + record::kShape) |= std::uint64_t{1} << 60; });
    answered("a chunk that is not there", store_log::kGoneAnswer,
             [this] { slot() = slot_word(slot_fingerprint(slot()), Address({9}, record_), {0}); });
    answered("a chunk that is gone", store_log::kGoneAnswer, [this] { word(chunk::kGone) = 1; });
    answered(
        "a key that is longer than the mirror takes", store_log::kNotMirroredAnswer, [] {},
        [](const Snapshot& s) { return store_log::file_answer(s, std::string(1025, 'k')); });
  }

  void table_violations() {
    using namespace layout;
    damaged(
        "a table without an end",
        [this] {
          for (std::size_t s = kRootHeaderBytes / kWordBytes; s < files_.words_of(0).size(); ++s) {
            files_.words_of(0)[s] = slot_word(1, Address({1}, record_), {0});
          }
        },
        [](const Snapshot& s) { return store_log::file_answer(s, "never.py"); });
    answered(
        "a table whose every slot leads into a long chain", store_log::kGoneAnswer,
        [this] {
          std::uint64_t previous = 0;
          std::uint64_t created = 1000;
          for (std::uint64_t there = chunk::kHeaderBytes; there + kRecordBytes <= end(); there += kRecordBytes) {
            forge_at(there);
            word(there + record::kCreated) = created++;
            word(there + record::kPrevious) = previous;
            word(there + record::kHeaderBytes) ^= 1;  // of another key
            previous = Address({1}, there).value;
          }
          use(end());
          const Word everywhere = slot_word(slot_fingerprint(slot()), Address(previous), {0});
          for (std::size_t s = kRootHeaderBytes / kWordBytes; s < files_.words_of(0).size(); ++s)
            files_.words_of(0)[s] = everywhere;
        },
        [](const Snapshot& s) { return store_log::file_answer(s, "a.py"); });
  }

  void node_violations() {
    using namespace layout;
    files_ = sound_;
    const auto node_b = [](const Snapshot& s) { return store_log::node_answer(s, "b"); };
    const std::uint64_t node = record_in(slot_of(KeySpace::kNode, "b"));
    damaged(
        "a node that is a source",
        [=, this] {
          word(node + record::kShape) ^=
              static_cast<Word>(RecordKind::kModule) ^ static_cast<Word>(RecordKind::kSource);
        },
        node_b);
    damaged(
        "a link that leads nowhere", [=, this] { word(node + record::kLink) = 0x1234; }, node_b);
    damaged(
        "a link to another file",
        [=, this] { word(node + record::kLink) = hash_key(KeySpace::kFile, "a/__init__.py").value; }, node_b);
    files_ = sound_;
    const std::uint64_t file = record_in(slot_of(KeySpace::kFile, "b.py"));
    damaged(
        "a file whose name has another end", [=, this] { word(file + record::kHeaderBytes) ^= 1 << 16; }, node_b);
    answered(
        "a node that is longer than the mirror takes", store_log::kNotMirroredAnswer, [] {},
        [](const Snapshot& s) { return store_log::node_answer(s, std::string(1025, 'k')); });
  }

  // What was found is not what is there when it is read.
  void changed_bytes() {
    using namespace layout;
    const std::uint64_t content = record_ + record::kHeaderBytes + 16;
    const auto change = [this](const char* what, std::uint64_t offset, auto read) {
      files_ = sound_;
      const Snapshot snapshot = Snapshot::newest(files_.memory());
      const auto found = snapshot.find_file("a.py");
      word(offset) ^= std::uint64_t{1} << 56;
      std::string text(64, '\0');
      check(what, store_log::kDamagedAnswer, store_log::name_of(read(snapshot, found.record, text)));
    };
    const auto verify = [](const Snapshot& s, const auto& record, std::string& text) { return s.verify(record, text); };
    const auto head = [](const Snapshot& s, const auto& record, std::string& text) {
      return s.verify_head(record, text);
    };
    const auto read = [](const Snapshot& s, const auto& record, std::string& text) {
      return s.read_content(record, text.data());
    };
    change("another key, verified", record_ + record::kHeaderBytes, verify);
    change("another token, its head verified", record_ + record::kHeaderBytes + 8, head);
    change("other padding, verified", content, verify);
    change("a checksum's first half", record_ + record::kChecksumLow, head);
    change("a checksum's second half", record_ + record::kChecksumHigh, head);
    const auto replace = [this](const char* what, auto lookup) {
      files_ = sound_;
      const Snapshot snapshot = Snapshot::newest(files_.memory());
      const auto found = snapshot.find_file("a.py");
      // The version before it, which is sound: but it is not what was found.
      const std::uint64_t before = Address(word(record_ + record::kPrevious)).offset();
      for (std::uint64_t done = 0; done < kRecordBytes; done += kWordBytes) word(record_ + done) = word(before + done);
      std::string text(64, '\0');
      check(what, store_log::kDamagedAnswer, store_log::name_of(lookup(snapshot, found.record, text)));
    };
    files_ = sound_;
    word(record_ + record::kLink) ^= 1;
    const Snapshot misled = Snapshot::newest(files_.memory());
    std::string scratch;
    check("a wrong link that was found, its head verified", store_log::kDamagedAnswer,
          store_log::name_of(misled.verify_head(misled.find_file("a.py").record, scratch)));
    replace("another version, its head verified", head);
    replace("another version, verified", verify);
    files_ = sound_;
    word(content) ^= 1;
    const Snapshot snapshot = Snapshot::newest(files_.memory());
    const auto found = snapshot.find_file("a.py");
    std::string text(64, '\0');
    check("another content, verified", store_log::kDamagedAnswer,
          store_log::name_of(verify(snapshot, found.record, text)));
    check("another content", store_log::kDamagedAnswer, store_log::name_of(read(snapshot, found.record, text)));
  }

  // The list of variants hangs on a word that no checksum covers.
  void code_violations() {
    using namespace layout;
    const auto code = [](const Snapshot& s) { return store_log::code_answer<typename Protocol::Variant>(s, "a.py"); };
    const auto lead_to = [this](std::uint64_t there) {
      for (std::uint64_t done = 0; done < kVariantBytes; done += kWordBytes) word(there + done) = word(variant_ + done);
      word(record_ + record::kVariants) = Address({1}, there).value;
    };
    damaged(
        "a variant in the header page", [=] { lead_to(2048); }, code);
    damaged(
        "a variant behind what is used", [=] { lead_to(kFree); }, code);
    damaged(
        "a variant across the end of what is used",
        [=, this] {
          lead_to(kFree);
          use(kFree + variant::kHeaderBytes - 8);
        },
        code);
    damaged(
        "a variant that is a record",
        [=, this] { word(variant_ + variant::kExtent) = pack_extent(Block::kRecord, kVariantBytes); }, code);
    damaged(
        "a code length that overflows",
        [=, this] {
          word(variant_ + variant::kCodeBytes) = ~std::uint64_t{0};
          word(variant_ + variant::kExtent) = pack_extent(Block::kVariant, variant_bytes(0));
        },
        code);
    damaged(
        "code longer than its extent", [=, this] { word(variant_ + variant::kCodeBytes) = 64; }, code);
    damaged(
        "code that leaves what is used",
        [=, this] {
          lead_to(kFree);
          word(kFree + variant::kCodeBytes) = 2048;
          word(kFree + variant::kExtent) = pack_extent(Block::kVariant, variant_bytes(2048));
          seal(kFree);
          use(kFree + kVariantBytes);
        },
        code);
    damaged(
        "code of another source", [=, this] { word(variant_ + variant::kDigestLow) ^= 1, seal(variant_); }, code);
    damaged(
        "code of another path", [=, this] { word(variant_ + variant::kKeyHash) ^= 1, seal(variant_); }, code);
    damaged(
        "code with another byte", [=, this] { word(variant_ + variant::kHeaderBytes) ^= 1; }, code);
    answered(
        "code of another interpreter", store_log::kMissAnswer,
        [=, this] { word(variant_ + variant::kMagic) ^= 1, seal(variant_); }, code);
    answered(
        "variants in a cycle", store_log::kMissAnswer,
        [=, this] {
          word(variant_ + variant::kMagic) ^= 1;
          word(variant_ + variant::kNext) = Address({1}, variant_).value;
        },
        code);
    answered(
        "a variant in a chunk that is not there", store_log::kGoneAnswer,
        [=, this] { word(record_ + record::kVariants) = Address({9}, variant_).value; }, code);
  }
  // Makes a variant's checksum right again.
  void seal(std::uint64_t at) {
    layout::VariantHeadWords head;
    for (std::size_t i = 0; i < head.size(); ++i) head[i] = word(at + layout::variant::kCodeBytes + i * 8);
    const auto* code = reinterpret_cast<const char*>(&word(at + layout::variant::kHeaderBytes));
    const layout::Checksum sum = layout::variant_checksum(head, {code, head[0]});
    word(at + layout::variant::kChecksumLow) = sum.low;
    word(at + layout::variant::kChecksumHigh) = sum.high;
  }

  static CheckedFiles sound_files() {
    const store_log::StoreLog& log = updates().log();
    const store_log::StoreIndex index(log.stores());
    std::vector<Words> images;
    for (std::uint32_t image = 0; image < 2; ++image) {  // the root, and its only chunk
      Words& words = images.emplace_back();
      for (std::uint64_t offset = 0; offset < log.images()[image].bytes; offset += layout::kWordBytes) {
        words.push_back(index.value_after(image, offset, log.size()));
      }
    }
    return CheckedFiles(images[0], {{1, images[1]}}, 2 * kMaxLookupLoads);
  }

  layout::Word& word(std::uint64_t offset) { return files_.words_of(1)[offset / layout::kWordBytes]; }
  layout::Word& slot() { return files_.words_of(0)[slot_ / layout::kWordBytes]; }
  std::uint64_t end() { return store_log::kSmallChunk; }
  void use(std::uint64_t bytes) { word(layout::chunk::kUsedBytes) = bytes; }
  void point_to(std::uint64_t offset) {
    slot() = layout::slot_word(layout::slot_fingerprint(slot()), Address({1}, offset), {0});
  }
  // As much of a copy of the sound record of `a.py` as there is room for.
  std::uint64_t forge_at(std::uint64_t offset) {
    for (std::uint64_t done = 0; done < kRecordBytes && offset + done < end(); done += layout::kWordBytes) {
      word(offset + done) = sound_.words_of(1)[(record_ + done) / layout::kWordBytes];
    }
    return offset;
  }
  // A record of another shape, with room for it.
  void reshape(layout::Shape shape) {
    point_to(forge_at(kFree));
    word(kFree + layout::record::kShape) = layout::pack_shape(shape);
    word(kFree + layout::record::kExtent) =
        layout::pack_extent(layout::Block::kRecord, layout::record_bytes(shape.key_bytes, shape.token_bytes, 2));
    use(end());
  }
  std::uint64_t slot_of(layout::KeySpace space, std::string_view key) {
    const layout::KeyHash hash = layout::hash_key(space, key);
    const layout::Regions regions = files_.memory().regions();
    SlotNumber slot = hash.first_slot(regions.slot_count);
    while (layout::slot_fingerprint(files_.words_of(0)[regions.slot_offset(slot) / 8]) != hash.fingerprint())
      ++slot.value;
    return regions.slot_offset(slot);
  }
  std::uint64_t record_in(std::uint64_t slot) {
    return layout::slot_record(files_.words_of(0)[slot / layout::kWordBytes], {0}).offset();
  }

  // By its key, and by its slot, as walks do: each of them gives the answer.
  static std::string both_ways(const Snapshot& snapshot, SlotNumber slot) {
    const std::string by_slot = store_log::name_of(snapshot.at_slot(slot).status);
    const std::string by_key = store_log::file_answer(snapshot, "a.py");
    return by_slot == by_key ? by_key : by_slot + " by its slot, " + by_key + " by its key";
  }
  template <class Poke>
  void damaged(const char* what, Poke poke) {
    answered(what, store_log::kDamagedAnswer, poke);
  }
  template <class Poke, class Ask>
  void damaged(const char* what, Poke poke, Ask ask) {
    answered(what, store_log::kDamagedAnswer, poke, ask);
  }
  template <class Poke>
  void answered(const char* what, const std::string& expected, Poke poke) {
    const SlotNumber slot{(slot_ - layout::kRootHeaderBytes) / layout::kWordBytes};
    answered(what, expected, poke, [slot](const Snapshot& s) { return both_ways(s, slot); });
  }
  template <class Poke, class Ask>
  void answered(const char* what, const std::string& expected, Poke poke, Ask ask) {
    files_ = sound_;
    files_.forget_loads();
    poke();
    std::string answer;
    try {
      answer = ask(Snapshot::newest(files_.memory()));
    } catch (const std::exception& e) {
      answer = e.what();
    }
    check(what, expected, answer);
  }
  void check(const char* what, const std::string& expected, const std::string& answer) {
    if (answer == expected || !violation_.empty()) return;
    violation_ = std::string(what) + ": `" + answer.substr(0, 60) + "` instead of `" + expected + "`";
  }

  CheckedFiles sound_ = sound_files();
  CheckedFiles files_ = sound_;
  std::uint64_t slot_ = 0;     // offset of the slot of `a.py`
  std::uint64_t record_ = 0;   // offset of its newest record, in the chunk
  std::uint64_t variant_ = 0;  // offset of its code
  std::string violation_;
};

}  // namespace bifrost::model
