// sound_segment.hpp - a full segment to damage, and everything that readers do with one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/layout/code_tag.hpp"
#include "common/layout/listing.hpp"
#include "common/reader/snapshot.hpp"
#include "tests/common/checked_words.hpp"

namespace bifrost::fuzz {

inline const CodeTag kTag{"cpython-311", 3495, 0};

// 200 modules in 20 directories with three generations, chains, deletions, "not mirrored" and compiled code.
struct SoundSegment {
  SoundSegment();

  // A word of one of its files: of the root, whose number is 0, or of a chunk.
  struct Place {
    std::uint64_t file = 0;
    std::uint64_t offset = 0;
  };

  std::vector<std::string> paths;  // that readers ask for, some of them absent; filled while `files` are written
  CheckedFiles files;
  std::vector<Place> places;       // words worth damaging: control block, slots in use, blocks

 private:
  static CheckedFiles written(std::vector<std::string>& paths);
};

// The word at `place` in `files`.
inline layout::Word& word_at(CheckedFiles& files, const SoundSegment::Place& place) {
  auto& words = place.file == 0 ? files.root() : files.words_of(place.file);
  return words[place.offset / layout::kWordBytes];
}

// Every kind of lookup, walk, listing and copy. `before_lookup` is called before each: to count their loads apart.
template <class Snapshot, class BeforeLookup>
void read_everything(const Snapshot& snapshot, const std::string& path, SlotNumber slot, BeforeLookup before_lookup) {
  std::string text;
  const auto read_record = [&](const RecordRef& record, std::string_view key) {
    snapshot.copy_key(record, text);
    snapshot.copy_token(record, text);
    snapshot.verify_head(record, text);
    snapshot.verify(record, text);
    text.resize(record.content_bytes);
    snapshot.read_content(record, text.data());
    VariantRef variant;
    for (std::uint64_t n = 0; n < layout::kMaxVariants && snapshot.next_variant(record, variant) == Lookup::kHit; ++n) {
      text.resize(variant.code_bytes);
      snapshot.read_code(variant, text.data());
    }
    snapshot.find_variant(record, key, kTag, variant);
  };
  before_lookup();
  if (const Found found = snapshot.find_file(path); found.status == Lookup::kHit) read_record(found.record, path);
  before_lookup();
  const FoundNode module = snapshot.find_node(std::string_view(path).substr(0, path.rfind('.')));
  if (module.status == Lookup::kHit && module.file.address.value != 0) read_record(module.file, path);
  for (const std::string& directory : {path.substr(0, path.find('/')), std::string()}) {
    before_lookup();
    const FoundNode node = snapshot.find_node(directory);
    if (node.status != Lookup::kHit || snapshot.copy_content(node.node, text) != Lookup::kHit) continue;
    std::vector<Child> children;
    static_cast<void>(decode_listing(text, children));
  }
  before_lookup();
  if (const Found there = snapshot.at_slot(slot); there.status == Lookup::kHit) read_record(there.record, path);
}

}  // namespace bifrost::fuzz
