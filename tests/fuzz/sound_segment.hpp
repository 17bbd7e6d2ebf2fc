// sound_segment.hpp - a root and chunks to damage, and everything that readers do with them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/layout/code_tag.hpp"
#include "common/layout/listing.hpp"
#include "common/layout/record_layout.hpp"
#include "common/reader/snapshot.hpp"

namespace bifrost::fuzz {

inline constexpr std::uint64_t kMaxStoreBytes = 1 << 20;
inline const CodeTag kTag{"cpython-311", 3495, 0};

// 200 modules in 20 directories with chains, deletions, "not mirrored" and compiled code, in several chunks.
struct SoundSegment {
  using Words = std::vector<layout::Word>;
  // A word, in the chunk of that number; 0: in the root.
  struct Place {
    std::uint64_t chunk = 0;
    std::uint64_t offset = 0;
  };

  SoundSegment();

  Words root;
  std::map<std::uint64_t, Words> chunks;
  std::vector<std::string> paths;  // that readers ask for, some of them absent
  std::vector<Place> places;       // worth damaging: slots, headers of chunks, and the blocks in use
};

// Every kind of lookup, walk, listing and copy. `before_lookup` is called before each: to count their loads apart.
template <class Snapshot, class BeforeLookup>
void read_everything(const Snapshot& snapshot, const std::string& path, SlotNumber slot, BeforeLookup before_lookup) {
  std::string text;
  const auto read_record = [&](const RecordRef& record, std::string_view key) {
    snapshot.copy_key(record, text);
    snapshot.copy_token(record, text);
    snapshot.verify_head(record, text);
    if (snapshot.verify(record, text) == Lookup::kHit) static_cast<void>(Snapshot::content_in(record, text));
    text.resize(record.content_bytes);
    snapshot.read_content(record, text.data());
    VariantRef variant;
    for (std::uint64_t n = 0; n < layout::kMaxVariants && snapshot.next_variant(record, variant) == Lookup::kHit; ++n) {
      text.resize(variant.code_bytes);
      snapshot.read_code(variant, text.data());
    }
    snapshot.find_variant(record, key, kTag, variant);
  };
  // Versions one by one, as `cachectl log` goes through them.
  const auto read_history = [&](Address at) {
    for (int n = 0; n < 100 && at.value != 0; ++n) {
      before_lookup();
      const Found found = snapshot.at_address(at);
      if (found.status != Lookup::kHit) return;
      read_record(found.record, path);
      at = found.record.previous;
    }
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
  before_lookup();
  read_history(snapshot.newest_of(layout::KeySpace::kFile, path));
  read_history(snapshot.last_commit());
}

}  // namespace bifrost::fuzz
