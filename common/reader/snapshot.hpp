// snapshot.hpp - a consistent view of the module table at one generation.
//
// Concurrency: any number of reader processes; readers take no locks and write nothing. System calls only where a chunk
// is met for the first time (Memory::chunk).
// (I1) A block below its chunk's kUsedBytes is never modified, but for its variants, next and marks words.
// (I2) A chunk's memory is given back only after kGone was stored in it, and a version that a snapshot at or after
// oldest_generation needs is never in a chunk that is gone: a live one has been copied, and the slot leads to the copy.
// (I3) `created` falls strictly along a chain of versions, so that a forged chain cannot loop.
// (I4) Every address and length is checked against its chunk before it is used, and one lookup reads at most kMaxProbes
// slots and, over all of them, kMaxChainSteps record headers: arbitrary bytes cost an answer, never a crash.
// Format: docs/shm-layout.md. Proof of (I1)+(I2) => no torn read: docs/consistency.md section 2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/layout/block_heads.hpp"
#include "common/layout/mapped_words.hpp"
#include "common/layout/record_layout.hpp"

namespace bifrost {

// Ordinary answers, not errors.
enum class Lookup {
  kHit,
  kMiss,         // the key does not exist at this generation
  kNotMirrored,  // it exists, but only Redis has it
  kGone,         // memory on the way has been given back: look again, through the newest root, at this generation if it
                 // is still kept there
  kDamaged,      // the segment contradicts itself here: ask Redis
};

// What a lookup found: a checked copy of the record's head. Plain data; its content is still in the chunk, for as long
// as that is not gone.
// Small on purpose: it is cleared and filled within a lookup of some 20 ns (docs/design/0021).
struct RecordRef : RecordHead {
  Address address;

  std::uint64_t key_offset() const { return address.offset() + layout::record::kHeaderBytes; }
  std::uint64_t token_offset() const { return key_offset() + layout::padded(shape.key_bytes); }
  std::uint64_t content_offset() const { return token_offset() + layout::padded(shape.token_bytes); }
  std::uint64_t body_bytes() const { return extent_bytes() - layout::record::kHeaderBytes; }
};

struct Found {
  Lookup status = Lookup::kMiss;
  RecordRef record;  // when kHit or kNotMirrored
};

// Compiled code that is attached to a record: a checked copy of its head.
struct VariantRef : VariantHead {
  Address address;  // 0: before the first
  layout::Checksum checksum;

  std::uint64_t code_offset() const { return address.offset() + layout::variant::kHeaderBytes; }
};

// The answer to an import name: what it is, and the record that holds its source.
struct FoundNode {
  Lookup status = Lookup::kMiss;
  RecordRef node;  // when kHit: kModule, kPackage or kNamespace
  RecordRef file;  // when kHit and not kNamespace: kSource, or kNotMirrored
};

// Before anything is read of a chunk: a look at memory that was given back takes a page of the file system again, and
// where none is left it is SIGBUS. What is given back between this and the copy is noticed by gone(), after the copy;
// docs/threat-model.md names that window. Relaxed, since most chunks are there; where one is not, the fence of gone()
// lets the next look see what has taken its place.
template <class Chunk>
bool known_to_be_gone(const Chunk& chunk) {
  return chunk.words.relaxed(layout::chunk::kGone) != 0 && chunk.gone();
}

// Copies content out of a chunk that the caller keeps mapped, and compares it with `ref.digest`: kHit, kGone or
// kDamaged. `to` has room for ref.content_bytes.
template <class Chunk>
Lookup read_content_of(const Chunk& chunk, const RecordRef& ref, char* to) {
  if (known_to_be_gone(chunk)) return Lookup::kGone;
  chunk.words.copy_out(ref.content_offset(), to, ref.content_bytes);
  if (chunk.gone()) return Lookup::kGone;
  return layout::content_digest({to, ref.content_bytes}) == ref.digest ? Lookup::kHit : Lookup::kDamaged;
}

// The same for code and the variant's checksum. `to` has room for variant.code_bytes.
template <class Chunk>
Lookup read_code_of(const Chunk& chunk, const VariantRef& variant, char* to) {
  if (known_to_be_gone(chunk)) return Lookup::kGone;
  chunk.words.copy_out(variant.code_offset(), to, variant.code_bytes);
  if (chunk.gone()) return Lookup::kGone;
  const bool whole = layout::variant_checksum(variant.words(), {to, variant.code_bytes}) == variant.checksum;
  return whole ? Lookup::kHit : Lookup::kDamaged;
}

// Memory gives access to the root's words and to chunks by number: `root()`, `regions()`, `chunk_base()`, and
// `chunk(ChunkNumber)`, a pointer to something with `words`, `bytes` and `gone()`, or null when there is no such chunk
// (any more). See reader/chunk_map.hpp.
template <class Memory>
class BasicSnapshot {
 public:
  using Chunk = typename Memory::Chunk;

  BasicSnapshot() = default;
  BasicSnapshot(Memory memory, Generation generation) : memory_(memory), generation_(generation) {}

  static BasicSnapshot newest(Memory memory) {
    // SYNC generation-publish (acquire): pairs with Publication::publish_generation (release).
    // Whoever reads this generation sees every record created at or before it.
    return {memory, Generation{memory.root().acquire(layout::control::kGeneration)}};
  }

  // The newest state of the same root.
  BasicSnapshot renewed() const { return newest(memory_); }

  Generation generation() const { return generation_; }

  // Whether every version that this snapshot needs is still there. Once false, never true again.
  bool kept() const { return memory_.root().relaxed(layout::control::kOldestGeneration) <= generation_.value; }

  // One storage path, `shared/halopsa.py`. Cost: one or two cache misses and no copy.
  Found find_file(std::string_view path) const { return find(layout::KeySpace::kFile, path); }

  // One import name with `/` between its parts, `shared/halopsa`. A miss costs one probe, a hit two.
  FoundNode find_node(std::string_view name) const;

  // One key in either space. Deleted keys are kMiss; keys longer than the limit are kNotMirrored, since the agent
  // cannot hold them.
  Found find(layout::KeySpace space, std::string_view key) const {
    Found found;
    if (key.size() > layout::kMaxKeyBytes) return {Lookup::kNotMirrored, {}};
    Steps steps;
    found.status = find({space, key, {}}, layout::hash_key(space, key), steps, found.record);
    return found;
  }

  // Copies `ref.content_bytes` bytes to `to`, key or token; kHit, or kGone when `to` now holds garbage.
  Lookup copy_content(const RecordRef& ref, std::string& to) const {
    return copy(ref, ref.content_offset(), ref.content_bytes, to);
  }
  Lookup copy_token(const RecordRef& ref, std::string& to) const {
    return copy(ref, ref.token_offset(), ref.shape.token_bytes, to);
  }
  Lookup copy_key(const RecordRef& ref, std::string& to) const {
    return copy(ref, ref.key_offset(), ref.shape.key_bytes, to);
  }

  // Copies key and token into `scratch` and compares the record's checksum: kHit, kDamaged or kGone. After kHit all of
  // `ref` can be relied on, the digest of its content among it. Costs nothing per byte of content.
  Lookup verify_head(const RecordRef& ref, std::string& scratch) const;

  // The same, with the content behind key and token, compared with its digest. After kHit, content_in(scratch) is the
  // verified content. Cost: copy plus XXH3, about 10 GB/s each.
  Lookup verify(const RecordRef& ref, std::string& scratch) const;

  // Only the content, compared with `ref.digest`. `to` has room for ref.content_bytes.
  Lookup read_content(const RecordRef& ref, char* to) const {
    const Chunk* chunk = chunk_of(ref.address);
    return chunk == nullptr ? Lookup::kGone : read_content_of(*chunk, ref, to);
  }

  // The variant after `variant` (the first, when its address is 0): kHit, kMiss at the end of the list. A list has at
  // most layout::kMaxVariants; the caller counts.
  Lookup next_variant(const RecordRef& ref, VariantRef& variant) const;

  // The code that an interpreter with this tag made of `ref`, whose key is `path`; kMiss when there is none (yet).
  Lookup find_variant(const RecordRef& ref, std::string_view path, const CodeTag& tag, VariantRef& variant) const;

  // Copies variant.code_bytes bytes to `to` and compares the variant's checksum: kHit, kDamaged or kGone.
  Lookup read_code(const VariantRef& variant, char* to) const {
    const Chunk* chunk = chunk_of(variant.address);
    return chunk == nullptr ? Lookup::kGone : read_code_of(*chunk, variant, to);
  }

  // Parts of what verify_head() and verify() have copied.
  static std::string_view key_in(const RecordRef& ref, const std::string& body) {
    return std::string_view(body).substr(0, ref.shape.key_bytes);
  }
  static std::string_view token_in(const RecordRef& ref, const std::string& body) {
    return std::string_view(body).substr(ref.token_offset() - ref.key_offset(), ref.shape.token_bytes);
  }
  static std::string_view content_in(const RecordRef& ref, const std::string& body) {
    return std::string_view(body).substr(ref.content_offset() - ref.key_offset(), ref.content_bytes);
  }

  // The record in slot `slot` at this generation, whatever its key; kMiss for an empty slot or a key that did not
  // exist yet. Deleted keys are kHit with kind kAbsent. For walks over the whole table.
  Found at_slot(SlotNumber slot) const;
  std::uint64_t slot_count() const { return memory_.regions().slot_count; }

  // The newest version of a key, whatever its generation; 0: none. For walks through the history.
  Address newest_of(layout::KeySpace space, std::string_view key) const {
    const BasicSnapshot any(memory_, Generation{~std::uint64_t{0}});
    Steps steps;
    RecordRef ref;
    if (key.size() > layout::kMaxKeyBytes) return {};
    const Lookup found = any.find({space, key, {}}, layout::hash_key(space, key), steps, ref);
    return found == Lookup::kGone || found == Lookup::kDamaged ? Address() : ref.address;
  }
  // The record at an address that a record or the control block named, whatever its generation: for walks through the
  // history. kGone when its chunk is not there any more.
  Found at_address(Address address) const {
    Found found;
    const Chunk* chunk = nullptr;
    found.status = read_header(address, found.record, chunk);
    return found;
  }
  // The record of the newest commit; 0: none.
  Address last_commit() const {
    // SYNC commit-log (acquire): pairs with Publication::publish_commit (release). Who reads it sees that record.
    return Address(memory_.root().acquire(layout::control::kLastCommit));
  }

 private:
  static constexpr int kLooks = 4;  // at one slot whose record moved while it was looked at

  // Record headers that one lookup may still read, however many chains it meets: (I4).
  struct Steps {
    std::uint64_t left = layout::kMaxChainSteps;
    bool take() { return left != 0 && left-- != 0; }
  };
  // A key in two parts, of which the second may be empty.
  struct Key {
    layout::KeySpace space;
    std::string_view front;
    std::string_view back;

    std::size_t size() const { return front.size() + back.size(); }
  };

  // As the public ones; `ref` is written in place, since it is too large to hand around in a lookup of some 30 ns.
  // After a miss its address is that of some version of the key, or 0.
  Lookup find(const Key& key, layout::KeyHash hash, Steps& steps, RecordRef& ref) const;
  Lookup at_slot(SlotNumber slot, Steps& steps, RecordRef& ref) const;

  // There is no version for this snapshot. What a dropped slot on the way held, one that is not kept would have needed:
  // also when the key has come back since, in a slot behind that one.
  Lookup missing(bool dropped) const { return dropped && !kept() ? Lookup::kGone : Lookup::kMiss; }

  // What walking a chain ends at. kTooNew: every version is newer, and `ref` is the oldest one (its key tells whose
  // chain this was).
  enum class Visit { kVersion, kTooNew, kGone, kDamaged };
  Visit walk(Address head, RecordRef& ref, const Chunk*& chunk, Steps& steps) const;
  // kHit, kGone or kDamaged.
  Lookup read_header(Address at, RecordRef& ref, const Chunk*& chunk) const;
  static bool plausible(const Chunk& chunk, Address at, RecordRef& ref);
  Lookup read_variant(Address at, VariantRef& variant) const;
  static bool plausible(const Chunk& chunk, Address at, VariantRef& variant);
  // Whether a block of `head_bytes` and more can begin there.
  static bool in_bounds(const Chunk& chunk, std::uint64_t offset, std::uint64_t head_bytes) {
    const std::uint64_t used = chunk.words.relaxed(layout::chunk::kUsedBytes);
    return offset >= layout::chunk::kHeaderBytes && used <= chunk.bytes && used >= head_bytes &&
           offset <= used - head_bytes;
  }
  static bool ends_in_bounds(const Chunk& chunk, std::uint64_t offset, std::uint64_t bytes) {
    return bytes <= chunk.words.relaxed(layout::chunk::kUsedBytes) - offset;
  }
  // Whether the head in `ref` and its key and token, copied out, are what the record's checksum was made of. Its loads
  // have to be confirmed.
  static bool head_matches(const Chunk& chunk, const RecordRef& ref, std::string_view key_and_token);
  static bool key_equals(const Chunk& chunk, const RecordRef& ref, const Key& key);
  static bool text_equals(const Chunk& chunk, std::uint64_t offset, std::string_view text);
  // What `status` is worth if the chunk that it came from is gone by now.
  static Lookup confirmed(const Chunk& chunk, Lookup status) { return chunk.gone() ? Lookup::kGone : status; }

  Lookup copy(const RecordRef& ref, std::uint64_t offset, std::uint64_t bytes, std::string& to) const {
    const Chunk* chunk = chunk_of(ref.address);
    if (chunk == nullptr) return Lookup::kGone;
    to.resize(bytes);
    chunk->words.copy_out(offset, to.data(), bytes);
    return confirmed(*chunk, Lookup::kHit);
  }
  // Null when it is gone, or cannot be had.
  const Chunk* chunk_of(Address at) const {
    const Chunk* const chunk = memory_.chunk(at.chunk());
    return chunk == nullptr || known_to_be_gone(*chunk) ? nullptr : chunk;
  }

  Memory memory_;
  Generation generation_;
};

template <class Memory>
Lookup BasicSnapshot<Memory>::find(const Key& key, layout::KeyHash hash, Steps& steps, RecordRef& ref) const {
  const layout::Regions& regions = memory_.regions();
  SlotNumber slot = hash.first_slot(regions.slot_count);
  bool dropped = false;
  for (std::uint64_t probe = 0; probe < layout::kMaxProbes; ++probe) {
    for (int look = 1;; ++look) {
      // SYNC slot-publish (acquire): pairs with Publication::publish_slot (release).
      const layout::Word word = memory_.root().acquire(regions.slot_offset(slot));
      if (word == 0) {            // nothing lies beyond a slot that was never used
        ref.address = Address();  // of another key that was met on the way
        return missing(dropped);
      }
      if (layout::slot_fingerprint(word) != hash.fingerprint()) break;
      if (layout::slot_dropped(word)) {
        dropped = true;
        break;
      }
      const Chunk* chunk = nullptr;
      const Visit visit = walk(layout::slot_record(word, memory_.chunk_base()), ref, chunk, steps);
      if (visit == Visit::kDamaged) return Lookup::kDamaged;
      if (visit != Visit::kGone) {
        const bool same = ref.shape.space == key.space && key_equals(*chunk, ref, key);
        if (!chunk->gone()) {
          if (!same) break;
          if (visit == Visit::kTooNew) return missing(dropped);
          switch (ref.shape.kind) {
            case layout::RecordKind::kAbsent: return Lookup::kMiss;
            case layout::RecordKind::kNotMirrored: return Lookup::kNotMirrored;
            default: return Lookup::kHit;
          }
        }
      }
      if (look == kLooks) return Lookup::kGone;  // else it has moved: the slot leads to its copy by now
    }
    slot.value = (slot.value + 1) & (regions.slot_count - 1);
  }
  return Lookup::kDamaged;  // the writer never lets a probe get this long
}

template <class Memory>
FoundNode BasicSnapshot<Memory>::find_node(std::string_view name) const {
  FoundNode found;
  if (name.size() > layout::kMaxKeyBytes) return {Lookup::kNotMirrored, {}, {}};
  Steps steps;
  const layout::KeySpace nodes = layout::KeySpace::kNode;
  found.status = find({nodes, name, {}}, layout::hash_key(nodes, name), steps, found.node);
  if (found.status != Lookup::kHit) return found;
  std::string_view suffix;
  switch (found.node.shape.kind) {
    case layout::RecordKind::kNamespace: return found;
    case layout::RecordKind::kModule: suffix = ".py"; break;
    case layout::RecordKind::kPackage: suffix = "/__init__.py"; break;
    default: return {Lookup::kDamaged, {}, {}};
  }
  // The node knows the hash: the path need not be put together.
  switch (find({layout::KeySpace::kFile, name, suffix}, {found.node.link}, steps, found.file)) {
    case Lookup::kHit:
    case Lookup::kNotMirrored: return found;
    case Lookup::kGone: return {Lookup::kGone, {}, {}};
    default: return {Lookup::kDamaged, {}, {}};
  }
}

template <class Memory>
Found BasicSnapshot<Memory>::at_slot(SlotNumber slot) const {
  Steps steps;
  Found found;
  for (int look = 0; look < kLooks; ++look) {
    found.status = at_slot(slot, steps, found.record);
    if (found.status != Lookup::kGone) break;
  }
  return found;
}

template <class Memory>
Lookup BasicSnapshot<Memory>::at_slot(SlotNumber slot, Steps& steps, RecordRef& ref) const {
  // SYNC slot-publish (acquire), as in find().
  const layout::Word word = memory_.root().acquire(memory_.regions().slot_offset(slot));
  if (word == 0) return Lookup::kMiss;
  if (layout::slot_dropped(word)) return kept() ? Lookup::kMiss : Lookup::kGone;
  const Chunk* chunk = nullptr;
  switch (walk(layout::slot_record(word, memory_.chunk_base()), ref, chunk, steps)) {
    case Visit::kGone: return Lookup::kGone;
    case Visit::kDamaged: return Lookup::kDamaged;
    case Visit::kTooNew: return confirmed(*chunk, Lookup::kMiss);
    case Visit::kVersion: break;
  }
  return confirmed(*chunk, Lookup::kHit);
}

template <class Memory>
typename BasicSnapshot<Memory>::Visit BasicSnapshot<Memory>::walk(Address head, RecordRef& ref, const Chunk*& chunk,
                                                                  Steps& steps) const {
  Address at = head;
  std::uint64_t newer = ~std::uint64_t{0};
  while (steps.take()) {
    const Lookup read = read_header(at, ref, chunk);
    if (read != Lookup::kHit) return read == Lookup::kGone ? Visit::kGone : Visit::kDamaged;
    if (ref.created.value >= newer) return chunk->gone() ? Visit::kGone : Visit::kDamaged;
    if (ref.created <= generation_) return Visit::kVersion;
    newer = ref.created.value;
    at = ref.previous;
    if (at.value == 0) return Visit::kTooNew;
  }
  return Visit::kGone;  // too far behind: an honest "look again"
}

template <class Memory>
Lookup BasicSnapshot<Memory>::read_header(Address at, RecordRef& ref, const Chunk*& chunk) const {
  chunk = chunk_of(at);
  if (chunk == nullptr) return Lookup::kGone;
  return plausible(*chunk, at, ref) ? Lookup::kHit : confirmed(*chunk, Lookup::kDamaged);
}

template <class Memory>
bool BasicSnapshot<Memory>::plausible(const Chunk& chunk, Address at, RecordRef& ref) {
  const std::uint64_t o = at.offset();
  if (!in_bounds(chunk, o, layout::record::kHeaderBytes)) return false;
  const auto word = [&](std::uint64_t offset) { return chunk.words.relaxed(o + offset); };
  ref.address = at;
  ref.read(word);
  if (layout::pack_shape(ref.shape) != word(layout::record::kShape) || ref.content_bytes > chunk.bytes ||
      ref.shape.key_bytes > layout::kMaxKeyBytes || ref.shape.token_bytes > layout::kMaxTokenBytes) {
    return false;
  }
  return word(layout::record::kExtent) == layout::pack_extent(layout::Block::kRecord, ref.extent_bytes()) &&
         ends_in_bounds(chunk, o, ref.extent_bytes());
}

template <class Memory>
bool BasicSnapshot<Memory>::key_equals(const Chunk& chunk, const RecordRef& ref, const Key& key) {
  if (ref.shape.key_bytes != key.size()) return false;
  if (!text_equals(chunk, ref.key_offset(), key.front)) return false;
  if (key.back.empty()) return true;
  // Where the front ends within a word, that word and what follows are copied: at most a few words.
  char tail[2 * layout::kWordBytes + 8] = {};
  const std::uint64_t from = key.front.size() / layout::kWordBytes * layout::kWordBytes;
  chunk.words.copy_out(ref.key_offset() + from, tail, key.size() - from);
  return key.back == std::string_view(tail + (key.front.size() - from), key.back.size());
}

// The bytes at `offset` begin with `text`.
template <class Memory>
bool BasicSnapshot<Memory>::text_equals(const Chunk& chunk, std::uint64_t offset, std::string_view text) {
  const std::uint64_t whole = text.size() / layout::kWordBytes * layout::kWordBytes;
  for (std::uint64_t done = 0; done < whole; done += layout::kWordBytes) {
    layout::Word ours;
    std::memcpy(&ours, text.data() + done, layout::kWordBytes);
    if (chunk.words.relaxed(offset + done) != ours) return false;
  }
  const std::uint64_t rest = text.size() - whole;
  if (rest == 0) return true;
  // No memcpy of the rest: the word would be loaded before its bytes have left the store buffer. Nor a loop where there
  // is a word to shift: how often it turns, differs from key to key, and the processor guesses wrong.
  layout::Word ours = 0;
  if (whole != 0) {
    std::memcpy(&ours, text.data() + text.size() - layout::kWordBytes, layout::kWordBytes);
    ours >>= 8 * (layout::kWordBytes - rest);
  } else {
    for (std::uint64_t i = rest; i-- > 0;) ours = ours << 8 | static_cast<unsigned char>(text[i]);
  }
  const layout::Word mask = (layout::Word{1} << 8 * rest) - 1;
  return (chunk.words.relaxed(offset + whole) & mask) == ours;
}

template <class Memory>
bool BasicSnapshot<Memory>::head_matches(const Chunk& chunk, const RecordRef& ref, std::string_view key_and_token) {
  const std::uint64_t o = ref.address.offset();
  const layout::Checksum checksum{chunk.words.relaxed(o + layout::record::kChecksumLow),
                                  chunk.words.relaxed(o + layout::record::kChecksumHigh)};
  return layout::record_checksum(ref.words(), key_and_token) == checksum;
}

template <class Memory>
Lookup BasicSnapshot<Memory>::verify_head(const RecordRef& ref, std::string& scratch) const {
  const Chunk* chunk = chunk_of(ref.address);
  if (chunk == nullptr) return Lookup::kGone;
  scratch.resize(ref.content_offset() - ref.key_offset());
  chunk->words.copy_out(ref.key_offset(), scratch.data(), scratch.size());
  return confirmed(*chunk, head_matches(*chunk, ref, scratch) ? Lookup::kHit : Lookup::kDamaged);
}

template <class Memory>
Lookup BasicSnapshot<Memory>::verify(const RecordRef& ref, std::string& scratch) const {
  const Chunk* chunk = chunk_of(ref.address);
  if (chunk == nullptr) return Lookup::kGone;
  scratch.resize(ref.body_bytes());
  chunk->words.copy_out(ref.key_offset(), scratch.data(), scratch.size());
  const std::string_view body(scratch);
  const std::size_t content = ref.content_offset() - ref.key_offset();
  const std::size_t end = content + ref.content_bytes;
  const bool whole = head_matches(*chunk, ref, body.substr(0, content)) &&
                     layout::content_digest(body.substr(content, ref.content_bytes)) == ref.digest &&
                     body.substr(end).find_first_not_of('\0') == std::string_view::npos;
  return confirmed(*chunk, whole ? Lookup::kHit : Lookup::kDamaged);
}

template <class Memory>
Lookup BasicSnapshot<Memory>::next_variant(const RecordRef& ref, VariantRef& variant) const {
  const bool first = variant.address.value == 0;
  const Address from = first ? ref.address : variant.address;
  const Chunk* chunk = chunk_of(from);
  if (chunk == nullptr) return Lookup::kGone;
  // SYNC variant-attach (acquire): pairs with Publication::attach_variant (release).
  // Whoever reads this address sees the variant that it names.
  const Address at(chunk->words.acquire(from.offset() + (first ? layout::record::kVariants : layout::variant::kNext)));
  if (chunk->gone()) return Lookup::kGone;
  return at.value == 0 ? Lookup::kMiss : read_variant(at, variant);
}

template <class Memory>
Lookup BasicSnapshot<Memory>::read_variant(Address at, VariantRef& variant) const {
  const Chunk* chunk = chunk_of(at);
  if (chunk == nullptr) return Lookup::kGone;
  return confirmed(*chunk, plausible(*chunk, at, variant) ? Lookup::kHit : Lookup::kDamaged);
}

template <class Memory>
bool BasicSnapshot<Memory>::plausible(const Chunk& chunk, Address at, VariantRef& variant) {
  const std::uint64_t o = at.offset();
  if (!in_bounds(chunk, o, layout::variant::kHeaderBytes)) return false;
  const auto word = [&](std::uint64_t offset) { return chunk.words.relaxed(o + offset); };
  variant.address = at;
  variant.read(word);
  variant.checksum = {word(layout::variant::kChecksumLow), word(layout::variant::kChecksumHigh)};
  if (variant.code_bytes > chunk.bytes) return false;
  const std::uint64_t bytes = variant.extent_bytes();
  return word(layout::variant::kExtent) == layout::pack_extent(layout::Block::kVariant, bytes) &&
         ends_in_bounds(chunk, o, bytes);
}

template <class Memory>
Lookup BasicSnapshot<Memory>::find_variant(const RecordRef& ref, std::string_view path, const CodeTag& tag,
                                           VariantRef& variant) const {
  variant = {};
  for (std::uint64_t step = 0; step < layout::kMaxVariants; ++step) {
    if (const Lookup found = next_variant(ref, variant); found != Lookup::kHit) return found;
    if (!(variant.tag == tag)) continue;
    // The list hangs on a word without checksum: what it leads to must say for itself that it belongs here.
    const bool ours =
        variant.digest == ref.digest && variant.key_hash == layout::hash_key(layout::KeySpace::kFile, path).value;
    return ours ? Lookup::kHit : Lookup::kDamaged;
  }
  return Lookup::kMiss;
}

}  // namespace bifrost
