// snapshot.hpp - a consistent view of the module table at one generation.
//
// Concurrency: any number of reader processes; readers take no locks, make no system calls and write nothing.
// (I1) A record with created <= generation is never modified (but for its variants and marks words).
// (I2) Memory of a version superseded at s, and of its variants, is reused only after oldest_generation >= s was
// stored.
// (I3) `created` falls strictly along a chain of versions, so that a forged or torn chain cannot loop.
// (I4) Every offset and length is checked against the heap before it is used, and one lookup reads at most kMaxProbes
// slots and, over all of them, kMaxChainSteps record headers: arbitrary bytes cost an answer, never a crash.
// Format: docs/shm-layout.md. Proof of (I1)+(I2) => no torn read: docs/consistency.md section 2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/layout/code_tag.hpp"
#include "common/layout/key_hash.hpp"
#include "common/layout/mapped_words.hpp"
#include "common/layout/segment_layout.hpp"

namespace bifrost {

// Ordinary answers, not errors.
enum class Lookup {
  kHit,
  kMiss,          // the key does not exist at this generation
  kNotMirrored,   // it exists, but only Redis has it
  kSnapshotLost,  // the memory may have been reused: take a new snapshot and start again
  kDamaged,       // the segment contradicts itself here: ask Redis
};

// What a lookup found: a checked copy of what callers need of the record's header. Plain data; its content is still in
// the segment and is valid for as long as the snapshot that found it is not lost.
// Small on purpose: it is cleared and filled within a lookup of some 20 ns (docs/design/0021).
struct RecordRef {
  RecordOffset offset;
  Generation created;
  layout::Shape shape;
  std::uint64_t content_bytes = 0;
  SlotNumber link;
  layout::Checksum digest;  // of the content
  std::uint64_t marks = 0;

  std::uint64_t key_offset() const { return offset.value + layout::record::kHeaderBytes; }
  std::uint64_t token_offset() const { return key_offset() + layout::padded(shape.key_bytes); }
  std::uint64_t content_offset() const { return token_offset() + layout::padded(shape.token_bytes); }
  std::uint64_t extent_bytes() const { return layout::extent_bytes(shape.key_bytes, shape.token_bytes, content_bytes); }
  std::uint64_t body_bytes() const { return extent_bytes() - layout::record::kHeaderBytes; }
  bool has(layout::Mark mark) const { return (marks & static_cast<std::uint64_t>(mark)) != 0; }
};

struct Found {
  Lookup status = Lookup::kMiss;
  RecordRef record;  // when kHit or kNotMirrored
};

// Compiled code that is attached to a record: a checked copy of its header.
struct VariantRef {
  RecordOffset offset;  // 0: before the first
  std::uint64_t extent_bytes = 0;
  std::uint64_t code_bytes = 0;
  CodeTag tag;
  layout::Checksum digest;  // of the source that was compiled
  layout::Word key_hash = 0;
  layout::Checksum checksum;

  std::uint64_t code_offset() const { return offset.value + layout::variant::kHeaderBytes; }
  layout::VariantHeadWords head_words() const {
    return {extent_bytes,  code_bytes,    tag.key(),  tag.text()[0], tag.text()[1],
            tag.text()[2], tag.text()[3], digest.low, digest.high,   key_hash};
  }
};

// The answer to an import name: what it is, and the record that holds its source.
struct FoundNode {
  Lookup status = Lookup::kMiss;
  RecordRef node;  // when kHit: kModule, kPackage or kNamespace
  RecordRef file;  // when kHit and not kNamespace: kSource, or kNotMirrored
};

template <class Words>
class BasicSnapshot {
 public:
  BasicSnapshot() = default;
  BasicSnapshot(Words words, const layout::Regions& regions, Generation generation)
      : words_(words), regions_(regions), generation_(generation) {}

  // The newest published generation.
  static BasicSnapshot newest(Words words, const layout::Regions& regions) {
    // SYNC generation-publish (acquire): pairs with BasicPublication::publish_generation (release).
    // Whoever reads this generation sees every record created at or before it.
    return {words, regions, Generation{words.acquire(layout::control::kGeneration)}};
  }

  Generation generation() const { return generation_; }

  // One storage path, `shared/halopsa.py`. Cost: one or two cache misses and no copy.
  Found find_file(std::string_view path) const { return find(layout::KeySpace::kFile, path); }

  // One import name with `/` between its parts, `shared/halopsa`. A miss costs one probe, a hit two at most: the node
  // knows the slot of its file.
  FoundNode find_node(std::string_view name) const;

  // One key in either space. Deleted keys are kMiss; keys longer than the limit are kNotMirrored, since the agent
  // cannot hold them.
  Found find(layout::KeySpace space, std::string_view key) const {
    Steps steps;
    Found found;
    found.status = find(space, key, steps, found.record);
    return found;
  }

  // Copies `ref.content_bytes` bytes to `to`; kHit, or kSnapshotLost when `to` now holds garbage.
  Lookup copy_content(const RecordRef& ref, void* to) const {
    words_.copy_out(ref.content_offset(), to, ref.content_bytes);
    return confirm();
  }
  Lookup copy_content(const RecordRef& ref, std::string& to) const {
    to.resize(ref.content_bytes);
    return copy_content(ref, to.data());
  }
  Lookup copy_token(const RecordRef& ref, std::string& to) const {
    to.resize(ref.shape.token_bytes);
    words_.copy_out(ref.token_offset(), to.data(), to.size());
    return confirm();
  }
  Lookup copy_key(const RecordRef& ref, std::string& to) const {
    to.resize(ref.shape.key_bytes);
    words_.copy_out(ref.key_offset(), to.data(), to.size());
    return confirm();
  }

  // Copies key and token into `scratch` and compares the record's checksum: kHit, kDamaged or kSnapshotLost. After kHit
  // all of `ref` can be relied on, the digest of its content among it. Costs nothing per byte of content.
  Lookup verify_head(const RecordRef& ref, std::string& scratch) const;

  // The same, with the content behind key and token, compared with its digest. After kHit, content_in(scratch) is the
  // verified content. Cost: copy plus XXH3, about 10 GB/s each.
  Lookup verify(const RecordRef& ref, std::string& scratch) const;

  // Only the content, compared with `ref.digest`. `to` has room for ref.content_bytes.
  Lookup read_content(const RecordRef& ref, char* to) const;

  // The variant after `variant` (the first, when its offset is 0): kHit, kMiss at the end of the list. A list has at
  // most layout::kMaxVariants; the caller counts.
  Lookup next_variant(const RecordRef& ref, VariantRef& variant) const;

  // The code that an interpreter with this tag made of `ref`, whose key is `path`; kMiss when there is none (yet).
  Lookup find_variant(const RecordRef& ref, std::string_view path, const CodeTag& tag, VariantRef& variant) const;

  // Copies variant.code_bytes bytes to `to` and compares the variant's checksum: kHit, kDamaged or kSnapshotLost.
  Lookup read_code(const VariantRef& variant, char* to) const;

  // Parts of what verify_head() and verify() have copied.
  static std::string_view key_in(const RecordRef& ref, const std::string& body) {
    return std::string_view(body).substr(0, ref.shape.key_bytes);
  }
  static std::string_view content_in(const RecordRef& ref, const std::string& body) {
    return std::string_view(body).substr(ref.content_offset() - ref.key_offset(), ref.content_bytes);
  }
  static std::string_view token_in(const RecordRef& ref, const std::string& body) {
    return std::string_view(body).substr(ref.token_offset() - ref.key_offset(), ref.shape.token_bytes);
  }

  // The record in slot `slot` at this generation, whatever its key; kMiss for an empty slot or a key that did not
  // exist yet. Deleted keys are kHit with kind kAbsent. For walks over the whole table.
  Found at_slot(SlotNumber slot) const {
    Steps steps;
    Found found;
    found.status = at_slot(slot, steps, found.record);
    return found;
  }

  std::uint64_t slot_count() const { return regions_.slot_count; }

 private:
  enum class Visit { kVersion, kTooNew, kLost, kDamaged };

  // Record headers that one lookup may still read, however many chains it meets: (I4).
  struct Steps {
    std::uint64_t left = layout::kMaxChainSteps;
    bool take() { return left != 0 && left-- != 0; }
  };

  // As the public ones; `ref` is written in place, since it is too large to hand around in a lookup of some 30 ns.
  Lookup find(layout::KeySpace space, std::string_view key, Steps& steps, RecordRef& ref) const;
  Lookup at_slot(SlotNumber slot, Steps& steps, RecordRef& ref) const;

  // Walks from `head` to the version of this generation. kVersion: `ref` is it. kTooNew: every version is newer, and
  // `ref` is the oldest one (its key tells whose chain this was). kLost also when the steps run out.
  Visit walk(RecordOffset head, RecordRef& ref, Steps& steps) const;
  bool read_header(RecordOffset at, RecordRef& ref) const;
  // Whether the head in `ref` and its key and token, copied out, are what the record's checksum was made of. Its loads
  // have to be confirmed.
  bool head_matches(const RecordRef& ref, std::string_view key_and_token) const;
  bool read_variant(RecordOffset at, VariantRef& variant) const;
  bool key_equals(const RecordRef& ref, std::string_view key) const;

  // Whether what was read since the snapshot was taken is what was published.
  Lookup confirm() const {
    // SYNC oldest-generation (acquire fence): pairs with BasicPublication::give_up_before (release fence).
    // If any load before the fence saw reused memory, this load sees the raised oldest_generation.
    words_.fence_acquire();
    const layout::Word oldest = words_.relaxed(layout::control::kOldestGeneration);
    return oldest <= generation_.value ? Lookup::kHit : Lookup::kSnapshotLost;
  }
  bool lost() const { return confirm() == Lookup::kSnapshotLost; }
  // For a contradiction met before anything was confirmed: it is the segment's fault only while the snapshot holds.
  Lookup contradiction() const { return lost() ? Lookup::kSnapshotLost : Lookup::kDamaged; }

  Words words_;
  layout::Regions regions_;
  Generation generation_;
};

template <class Words>
Lookup BasicSnapshot<Words>::find(layout::KeySpace space, std::string_view key, Steps& steps, RecordRef& ref) const {
  if (key.size() > layout::kMaxKeyBytes) return Lookup::kNotMirrored;
  const layout::KeyHash hash = layout::hash_key(space, key);
  SlotNumber slot = hash.first_slot(regions_.slot_count);
  for (std::uint64_t probe = 0; probe < layout::kMaxProbes; ++probe) {
    // SYNC slot-publish (acquire): pairs with BasicPublication::publish_slot (release).
    const layout::Word word = words_.acquire(regions_.slot_offset(slot));
    if (word == 0) return Lookup::kMiss;  // slots are never freed: nothing lies beyond
    if (layout::slot_fingerprint(word) == hash.fingerprint()) {
      const Visit visit = walk(layout::slot_record(word), ref, steps);
      if (visit == Visit::kLost) return Lookup::kSnapshotLost;
      if (visit == Visit::kDamaged) return Lookup::kDamaged;
      const bool same = ref.shape.space == space && key_equals(ref, key);
      if (lost()) return Lookup::kSnapshotLost;
      if (same) {
        if (visit == Visit::kTooNew) return Lookup::kMiss;
        switch (ref.shape.kind) {
          case layout::RecordKind::kAbsent: return Lookup::kMiss;
          case layout::RecordKind::kNotMirrored: return Lookup::kNotMirrored;
          default: return Lookup::kHit;
        }
      }
    }
    slot.value = (slot.value + 1) & (regions_.slot_count - 1);
  }
  return Lookup::kDamaged;  // the writer never lets a probe get this long
}

template <class Words>
FoundNode BasicSnapshot<Words>::find_node(std::string_view name) const {
  Steps steps;
  FoundNode found;
  found.status = find(layout::KeySpace::kNode, name, steps, found.node);
  if (found.status != Lookup::kHit) return found;
  const RecordRef& node = found.node;
  const RecordRef& file = found.file;
  std::string_view suffix;
  switch (node.shape.kind) {
    case layout::RecordKind::kNamespace: return found;
    case layout::RecordKind::kModule: suffix = ".py"; break;
    case layout::RecordKind::kPackage: suffix = "/__init__.py"; break;
    default: return {Lookup::kDamaged, {}, {}};
  }
  if (node.link.value >= regions_.slot_count) return {Lookup::kDamaged, {}, {}};
  const Lookup status = at_slot(node.link, steps, found.file);
  if (status == Lookup::kSnapshotLost) return {Lookup::kSnapshotLost, {}, {}};
  const bool fits =
      status == Lookup::kHit && file.shape.space == layout::KeySpace::kFile &&
      file.shape.key_bytes == name.size() + suffix.size() &&
      (file.shape.kind == layout::RecordKind::kSource || file.shape.kind == layout::RecordKind::kNotMirrored);
  if (!fits) return {Lookup::kDamaged, {}, {}};
  return found;
}

template <class Words>
Lookup BasicSnapshot<Words>::at_slot(SlotNumber slot, Steps& steps, RecordRef& ref) const {
  // SYNC slot-publish (acquire), as in find().
  const layout::Word word = words_.acquire(regions_.slot_offset(slot));
  if (word == 0) return Lookup::kMiss;
  switch (walk(layout::slot_record(word), ref, steps)) {
    case Visit::kLost: return Lookup::kSnapshotLost;
    case Visit::kDamaged: return Lookup::kDamaged;
    case Visit::kTooNew: return lost() ? Lookup::kSnapshotLost : Lookup::kMiss;
    case Visit::kVersion: break;
  }
  return confirm();
}

template <class Words>
typename BasicSnapshot<Words>::Visit BasicSnapshot<Words>::walk(RecordOffset head, RecordRef& ref, Steps& steps) const {
  RecordOffset at = head;
  std::uint64_t newer = ~std::uint64_t{0};
  while (steps.take()) {
    if (!read_header(at, ref) || ref.created.value >= newer) {
      return lost() ? Visit::kLost : Visit::kDamaged;
    }
    if (ref.created <= generation_) return Visit::kVersion;
    newer = ref.created.value;
    at = {words_.relaxed(at.value + layout::record::kPrevious)};
    if (at.value == 0) return Visit::kTooNew;
  }
  return Visit::kLost;  // too far behind: an honest "take a new snapshot"
}

template <class Words>
bool BasicSnapshot<Words>::read_header(RecordOffset at, RecordRef& ref) const {
  const std::uint64_t o = at.value;
  if (o % layout::kWordBytes != 0 || o < regions_.heap_offset ||
      o > regions_.heap_end() - layout::record::kHeaderBytes) {
    return false;
  }
  ref.offset = at;
  ref.created = {words_.relaxed(o + layout::record::kCreated)};
  const std::uint64_t extent = words_.relaxed(o + layout::record::kExtentBytes);
  const layout::Word shape = words_.relaxed(o + layout::record::kShape);
  ref.shape = layout::unpack_shape(shape);
  if (layout::pack_shape(ref.shape) != shape) return false;
  ref.content_bytes = words_.relaxed(o + layout::record::kContentBytes);
  ref.link = {words_.relaxed(o + layout::record::kLink)};
  ref.digest = {words_.relaxed(o + layout::record::kDigestLow), words_.relaxed(o + layout::record::kDigestHigh)};
  ref.marks = words_.relaxed(o + layout::record::kMarks);
  if (ref.content_bytes > regions_.heap_bytes || ref.shape.key_bytes > layout::kMaxKeyBytes ||
      ref.shape.token_bytes > layout::kMaxTokenBytes) {
    return false;
  }
  return extent == ref.extent_bytes() && extent <= regions_.heap_end() - o;
}

template <class Words>
bool BasicSnapshot<Words>::key_equals(const RecordRef& ref, std::string_view key) const {
  if (ref.shape.key_bytes != key.size()) return false;
  const std::uint64_t start = ref.key_offset();
  const std::uint64_t whole = key.size() / layout::kWordBytes * layout::kWordBytes;
  // Fixed sizes and shifts, no memcpy of the rest: the word would be loaded before its bytes have left the store
  // buffer.
  for (std::uint64_t done = 0; done < whole; done += layout::kWordBytes) {
    layout::Word ours;
    std::memcpy(&ours, key.data() + done, layout::kWordBytes);
    if (words_.relaxed(start + done) != ours) return false;
  }
  const std::uint64_t rest = key.size() - whole;
  if (rest == 0) return true;
  layout::Word ours = 0;
  if (whole != 0) {
    std::memcpy(&ours, key.data() + key.size() - layout::kWordBytes, layout::kWordBytes);
    ours >>= 8 * (layout::kWordBytes - rest);
  } else {
    for (std::uint64_t i = rest; i-- > 0;) ours = ours << 8 | static_cast<unsigned char>(key[i]);
  }
  return words_.relaxed(start + whole) == ours;  // padding is zero on both sides
}

template <class Words>
bool BasicSnapshot<Words>::head_matches(const RecordRef& ref, std::string_view key_and_token) const {
  const std::uint64_t o = ref.offset.value;
  const layout::Word previous = words_.relaxed(o + layout::record::kPrevious);
  const layout::Checksum checksum{words_.relaxed(o + layout::record::kChecksumLow),
                                  words_.relaxed(o + layout::record::kChecksumHigh)};
  const layout::RecordHeadWords head = {
      ref.created.value, previous,       ref.extent_bytes(), layout::pack_shape(ref.shape),
      ref.content_bytes, ref.link.value, ref.digest.low,     ref.digest.high};
  return layout::record_checksum(head, key_and_token) == checksum;
}

template <class Words>
Lookup BasicSnapshot<Words>::verify_head(const RecordRef& ref, std::string& scratch) const {
  scratch.resize(ref.content_offset() - ref.key_offset());
  words_.copy_out(ref.key_offset(), scratch.data(), scratch.size());
  const bool matches = head_matches(ref, scratch);
  if (lost()) return Lookup::kSnapshotLost;
  return matches ? Lookup::kHit : Lookup::kDamaged;
}

template <class Words>
Lookup BasicSnapshot<Words>::verify(const RecordRef& ref, std::string& scratch) const {
  scratch.resize(ref.body_bytes());
  words_.copy_out(ref.key_offset(), scratch.data(), scratch.size());
  const std::string_view body(scratch);
  const std::size_t content = ref.content_offset() - ref.key_offset();
  const std::size_t end = content + ref.content_bytes;
  const bool head = head_matches(ref, body.substr(0, content));
  if (lost()) return Lookup::kSnapshotLost;
  const bool whole = head && layout::content_digest(body.substr(content, ref.content_bytes)) == ref.digest &&
                     body.substr(end).find_first_not_of('\0') == std::string_view::npos;
  return whole ? Lookup::kHit : Lookup::kDamaged;
}

template <class Words>
Lookup BasicSnapshot<Words>::read_content(const RecordRef& ref, char* to) const {
  words_.copy_out(ref.content_offset(), to, ref.content_bytes);
  if (lost()) return Lookup::kSnapshotLost;
  return layout::content_digest({to, ref.content_bytes}) == ref.digest ? Lookup::kHit : Lookup::kDamaged;
}

template <class Words>
Lookup BasicSnapshot<Words>::next_variant(const RecordRef& ref, VariantRef& variant) const {
  // SYNC variant-attach (acquire): pairs with BasicPublication::attach_variant (release).
  // Whoever reads this offset sees the variant that it names.
  const RecordOffset at{variant.offset.value == 0 ? words_.acquire(ref.offset.value + layout::record::kVariants)
                                                  : words_.acquire(variant.offset.value + layout::variant::kNext)};
  if (at.value == 0) return lost() ? Lookup::kSnapshotLost : Lookup::kMiss;
  if (!read_variant(at, variant)) return contradiction();
  return confirm();
}

template <class Words>
bool BasicSnapshot<Words>::read_variant(RecordOffset at, VariantRef& variant) const {
  const std::uint64_t o = at.value;
  if (o % layout::kWordBytes != 0 || o < regions_.heap_offset ||
      o > regions_.heap_end() - layout::variant::kHeaderBytes) {
    return false;
  }
  variant.offset = at;
  variant.extent_bytes = words_.relaxed(o + layout::variant::kExtentBytes);
  variant.code_bytes = words_.relaxed(o + layout::variant::kCodeBytes);
  std::array<layout::Word, CodeTag::kWords> text;
  for (std::uint64_t i = 0; i < text.size(); ++i) {
    text[i] = words_.relaxed(o + layout::variant::kCacheTag + i * layout::kWordBytes);
  }
  variant.tag = CodeTag(text, words_.relaxed(o + layout::variant::kMagic));
  variant.digest = {words_.relaxed(o + layout::variant::kDigestLow), words_.relaxed(o + layout::variant::kDigestHigh)};
  variant.key_hash = words_.relaxed(o + layout::variant::kKeyHash);
  variant.checksum = {words_.relaxed(o + layout::variant::kChecksumLow),
                      words_.relaxed(o + layout::variant::kChecksumHigh)};
  return variant.code_bytes <= regions_.heap_bytes &&
         variant.extent_bytes == layout::variant_bytes(variant.code_bytes) &&
         variant.extent_bytes <= regions_.heap_end() - o;
}

template <class Words>
Lookup BasicSnapshot<Words>::find_variant(const RecordRef& ref, std::string_view path, const CodeTag& tag,
                                          VariantRef& variant) const {
  variant = {};
  for (std::uint64_t step = 0; step < layout::kMaxVariants; ++step) {
    if (const Lookup found = next_variant(ref, variant); found != Lookup::kHit) return found;
    if (!(variant.tag == tag)) continue;
    // The list hangs on a word without checksum: what it leads to must say for itself that it belongs here.
    const bool ours =
        variant.digest == ref.digest && variant.key_hash == layout::hash_key(layout::KeySpace::kFile, path).value;
    return ours ? Lookup::kHit : contradiction();
  }
  return lost() ? Lookup::kSnapshotLost : Lookup::kMiss;
}

template <class Words>
Lookup BasicSnapshot<Words>::read_code(const VariantRef& variant, char* to) const {
  words_.copy_out(variant.code_offset(), to, variant.code_bytes);
  if (lost()) return Lookup::kSnapshotLost;
  return layout::variant_checksum(variant.head_words(), {to, variant.code_bytes}) == variant.checksum
             ? Lookup::kHit
             : Lookup::kDamaged;
}

using Snapshot = BasicSnapshot<ReadWords>;

}  // namespace bifrost
