// segment_layout.hpp - the bytes that agent and readers agree on, and nothing else.
//
// A segment is an array of little-endian 64-bit words: header page, slot table, heap of records. Everything is
// addressed by byte offset from the start of the file; every offset is a multiple of 8. Specification with picture,
// tables and a worked dump: docs/shm-layout.md. The golden test is tests/common/segment_layout_test.cpp: it spells the
// numbers again, so that a change here without a new kLayoutVersion turns it red.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>

namespace bifrost {

struct Generation {
  std::uint64_t value = 0;
  auto operator<=>(const Generation&) const = default;
};

struct RecordOffset {
  std::uint64_t value = 0;  // bytes from the start of the segment; 0 means none
  auto operator<=>(const RecordOffset&) const = default;
};

struct SlotNumber {
  std::uint64_t value = 0;
  auto operator<=>(const SlotNumber&) const = default;
};

namespace layout {

using Word = std::uint64_t;
static_assert(std::endian::native == std::endian::little, "the segment is little-endian");

inline constexpr std::uint64_t kWordBytes = 8;
inline constexpr std::uint64_t kMagic = 0x4745'5354'5352'4642;  // "BFRSTSEG" in memory order
inline constexpr std::uint64_t kLayoutVersion = 2;

// Header, frozen prefix: where it stands and what it means never changes, in any version.
namespace header {
inline constexpr std::uint64_t kMagic = 0;
inline constexpr std::uint64_t kLayoutVersion = 8;
inline constexpr std::uint64_t kFingerprint = 16;
inline constexpr std::uint64_t kTotalBytes = 24;
// Written once, before the file gets its name.
inline constexpr std::uint64_t kSlotsOffset = 64;
inline constexpr std::uint64_t kSlotCount = 72;
inline constexpr std::uint64_t kHeapOffset = 80;
inline constexpr std::uint64_t kHeapBytes = 88;
inline constexpr std::uint64_t kEpoch = 96;            // unix time in ns at creation: tells one segment from the next
inline constexpr std::uint64_t kAgentPid = 104;        // in the agent's pid namespace: to show, never to signal
inline constexpr std::uint64_t kAgentStartedMs = 112;  // unix time
inline constexpr std::uint64_t kLeaseMs = 120;
inline constexpr std::uint64_t kAgentVersion = 192;  // NUL-padded text
inline constexpr std::uint64_t kAgentVersionBytes = 64;
inline constexpr std::uint64_t kRedisUrl = 256;  // without credentials, NUL-padded text
inline constexpr std::uint64_t kRedisUrlBytes = 256;
inline constexpr std::uint64_t kWorkspace = 512;  // NUL-padded text
inline constexpr std::uint64_t kWorkspaceBytes = 512;
}  // namespace header

// Control block: words that the agent rewrites while readers look. The hot ones have a cache line each.
namespace control {
inline constexpr std::uint64_t kGeneration = 1024;
inline constexpr std::uint64_t kOldestGeneration = 1088;
inline constexpr std::uint64_t kRetired = 1152;
inline constexpr std::uint64_t kSyncedThroughNs = 1216;
inline constexpr std::uint64_t kLeaseUntilNs = 1224;
inline constexpr std::uint64_t kHeartbeatNs = 1232;
inline constexpr std::uint64_t kState = 1280;
inline constexpr std::uint64_t kComplete = 1288;
inline constexpr std::uint64_t kRedisConnected = 1296;
inline constexpr std::uint64_t kSignals = 1304;
inline constexpr std::uint64_t kModules = 1312;
inline constexpr std::uint64_t kNotMirrored = 1320;
inline constexpr std::uint64_t kRetained = 1328;
inline constexpr std::uint64_t kNodes = 1336;
inline constexpr std::uint64_t kSlotsUsed = 1344;
inline constexpr std::uint64_t kHeapUsedBytes = 1352;
inline constexpr std::uint64_t kHeapReclaimableBytes = 1360;
inline constexpr std::uint64_t kCodeBytes = 1368;
inline constexpr std::uint64_t kCodeTags = 1536;  // kCodeTagCapacity entries of code_tag::kBytes, filled from the front
inline constexpr std::uint64_t kCodeTagCapacity = 8;
inline constexpr std::uint64_t kCounters = 2048;
inline constexpr std::uint64_t kCounterCapacity = 128;
}  // namespace control

// What a code tag's entry in the control block says: for whom, and how much there is.
namespace code_tag {
inline constexpr std::uint64_t kCacheTag = 0;  // NUL-padded text; an entry that begins with 0 ends the list
inline constexpr std::uint64_t kCacheTagBytes = 32;
inline constexpr std::uint64_t kMagic = 32;     // see pack_code_key
inline constexpr std::uint64_t kModules = 40;   // newest versions that have such a variant
inline constexpr std::uint64_t kMadeHere = 48;  // 1: an interpreter of this agent makes them; 0: only taken over
inline constexpr std::uint64_t kBytes = 64;
}  // namespace code_tag

inline constexpr std::uint64_t kHeaderBytes = 4096;

// What the agent says about itself in control::kState.
enum class AgentState : std::uint64_t {
  kStarting = 1,  // no full sync yet in this agent's life
  kSyncing = 2,   // connected, reading everything again
  kLive = 3,      // the change stream is intact
  kDegraded = 4,  // live, but some modules do not fit: workers ask Redis for those
  kCold = 5,      // Redis lost the modules; what was seen is kept
  kStopped = 6,   // ended on purpose
};

// Bits of control::kSignals.
enum class Signal : std::uint64_t { kKeyspace = 1, kTracking = 2 };

// One slot: fingerprint in the upper 16 bits, record offset in the lower 48. 0 is a slot never used.
inline constexpr unsigned kSlotOffsetBits = 48;
inline constexpr std::uint64_t kSlotOffsetMask = (std::uint64_t{1} << kSlotOffsetBits) - 1;

constexpr Word slot_word(std::uint16_t fingerprint, RecordOffset record) {
  return (static_cast<Word>(fingerprint) << kSlotOffsetBits) | record.value;
}
constexpr std::uint16_t slot_fingerprint(Word word) {
  return static_cast<std::uint16_t>(word >> kSlotOffsetBits);
}
constexpr RecordOffset slot_record(Word word) {
  return {word & kSlotOffsetMask};
}

// Record: these words, then key, token and content, each padded with zeros to a whole word.
namespace record {
inline constexpr std::uint64_t kCreated = 0;       // generation that made this version visible
inline constexpr std::uint64_t kPrevious = 8;      // offset of the version before, 0: none
inline constexpr std::uint64_t kExtentBytes = 16;  // of the whole record
inline constexpr std::uint64_t kShape = 24;        // kind, key space, key bytes, token bytes: see pack_shape
inline constexpr std::uint64_t kContentBytes = 32;
inline constexpr std::uint64_t kLink = 40;       // nodes: slot number of the file record that they stand for
inline constexpr std::uint64_t kDigestLow = 48;  // XXH3-128 of the content
inline constexpr std::uint64_t kDigestHigh = 56;
inline constexpr std::uint64_t kChecksumLow = 64;  // of the words above, key and token
inline constexpr std::uint64_t kChecksumHigh = 72;
inline constexpr std::uint64_t kVariants = 80;  // set once: first compiled variant, 0: none (not checksummed)
inline constexpr std::uint64_t kMarks = 88;     // bits of Mark, rewritten in place (not checksummed)
inline constexpr std::uint64_t kHeaderBytes = 96;
}  // namespace record

// Variant: these words, then the code, padded with zeros to a whole word. What one interpreter made of one source.
namespace variant {
inline constexpr std::uint64_t kNext = 0;         // set once: the next variant of the same source, 0: none
inline constexpr std::uint64_t kExtentBytes = 8;  // of the whole variant
inline constexpr std::uint64_t kCodeBytes = 16;
inline constexpr std::uint64_t kMagic = 24;      // see pack_code_key
inline constexpr std::uint64_t kCacheTag = 32;   // code_tag::kCacheTagBytes of NUL-padded text
inline constexpr std::uint64_t kDigestLow = 64;  // of the content that was compiled
inline constexpr std::uint64_t kDigestHigh = 72;
inline constexpr std::uint64_t kKeyHash = 80;      // of the storage path that it was compiled for
inline constexpr std::uint64_t kChecksumLow = 88;  // of the words from kExtentBytes to here, and the code
inline constexpr std::uint64_t kChecksumHigh = 96;
inline constexpr std::uint64_t kHeaderBytes = 104;
}  // namespace variant

enum class RecordKind : std::uint8_t {
  kAbsent = 1,       // the key was deleted
  kSource = 2,       // file space: content is the module's source, token the JSON `hash`
  kNotMirrored = 3,  // file space: exists in Redis, content says why it is not here
  kModule = 4,       // node space: link names `{key}.py`
  kPackage = 5,      // node space: link names `{key}/__init__.py`, content lists the children
  kNamespace = 6,    // node space: content lists the children
};

enum class KeySpace : std::uint8_t {
  kFile = 0,  // storage paths, as in `bifrost:module:{path}`
  kNode = 1,  // import names with `/` between the parts; "" is the root
};

// Bits of record::kMarks.
enum class Mark : std::uint64_t {
  kRetained = 1,   // gone from Redis and kept: for operators to see
  kIndexLost = 2,  // Redis lost the index that listed it: that a newer index does not list it says nothing
};

struct Shape {
  RecordKind kind = RecordKind::kAbsent;
  KeySpace space = KeySpace::kFile;
  std::uint16_t key_bytes = 0;
  std::uint16_t token_bytes = 0;
};

constexpr Word pack_shape(Shape s) {
  return static_cast<Word>(s.kind) | static_cast<Word>(s.space) << 8 | static_cast<Word>(s.key_bytes) << 16 |
         static_cast<Word>(s.token_bytes) << 32;
}
constexpr Shape unpack_shape(Word word) {
  return {static_cast<RecordKind>(word & 0xff), static_cast<KeySpace>(word >> 8 & 0xff),
          static_cast<std::uint16_t>(word >> 16), static_cast<std::uint16_t>(word >> 32)};
}

// What makes compiled code an interpreter's own, beside its cache tag: the magic number of its byte code, and the
// optimisation level (0, 1 or 2).
constexpr Word pack_code_key(std::uint32_t magic, std::uint8_t optimization) {
  return static_cast<Word>(magic) | static_cast<Word>(optimization) << 32;
}

// Limits that writer and reader both rely on.
inline constexpr std::uint64_t kMaxKeyBytes = 1024;
inline constexpr std::uint64_t kMaxTokenBytes = 1024;
inline constexpr std::uint64_t kMaxProbes = 1024;                         // slots looked at for one key
inline constexpr std::uint64_t kMaxChainSteps = 65536;                    // record headers read for one lookup
inline constexpr std::uint64_t kMaxVariants = control::kCodeTagCapacity;  // of one record
inline constexpr std::uint64_t kMinSegmentBytes = 1u << 20;
inline constexpr std::uint64_t kMaxSegmentBytes = std::uint64_t{1} << 40;

constexpr std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kWordBytes - 1) / kWordBytes * kWordBytes;
}
constexpr std::uint64_t extent_bytes(std::uint64_t key, std::uint64_t token, std::uint64_t content) {
  return record::kHeaderBytes + padded(key) + padded(token) + padded(content);
}
constexpr std::uint64_t variant_bytes(std::uint64_t code) {
  return variant::kHeaderBytes + padded(code);
}

// Where the parts of a segment of `total_bytes` lie. The only place that decides it.
struct Regions {
  std::uint64_t total_bytes = 0;
  std::uint64_t slots_offset = 0;
  std::uint64_t slot_count = 0;  // a power of two
  std::uint64_t heap_offset = 0;
  std::uint64_t heap_bytes = 0;

  constexpr std::uint64_t heap_end() const { return heap_offset + heap_bytes; }
  constexpr std::uint64_t slot_offset(SlotNumber slot) const { return slots_offset + slot.value * kWordBytes; }
  auto operator<=>(const Regions&) const = default;
};

// `total_bytes` within [kMinSegmentBytes, kMaxSegmentBytes] and a multiple of 4096.
constexpr Regions compute_regions(std::uint64_t total_bytes) {
  Regions r;
  r.total_bytes = total_bytes;
  r.slots_offset = kHeaderBytes;
  r.slot_count = std::bit_floor(total_bytes / 256);  // one slot per 256 bytes: 3 % of the segment
  r.heap_offset = r.slots_offset + r.slot_count * kWordBytes;
  r.heap_bytes = total_bytes - r.heap_offset;
  return r;
}

// Changes whenever a size or an offset above does, whether or not somebody remembered the version number.
constexpr std::uint64_t fingerprint() {
  constexpr std::array<std::uint64_t, 45> kFacts = {kLayoutVersion,
                                                    kHeaderBytes,
                                                    header::kSlotsOffset,
                                                    header::kSlotCount,
                                                    header::kHeapOffset,
                                                    header::kHeapBytes,
                                                    header::kEpoch,
                                                    control::kGeneration,
                                                    control::kOldestGeneration,
                                                    control::kRetired,
                                                    control::kSyncedThroughNs,
                                                    control::kLeaseUntilNs,
                                                    control::kState,
                                                    control::kComplete,
                                                    control::kCounters,
                                                    control::kCounterCapacity,
                                                    kSlotOffsetBits,
                                                    record::kCreated,
                                                    record::kPrevious,
                                                    record::kExtentBytes,
                                                    record::kShape,
                                                    record::kContentBytes,
                                                    record::kLink,
                                                    record::kDigestLow,
                                                    record::kDigestHigh,
                                                    record::kChecksumLow,
                                                    record::kChecksumHigh,
                                                    record::kVariants,
                                                    record::kMarks,
                                                    record::kHeaderBytes,
                                                    control::kCodeTags,
                                                    control::kCodeTagCapacity,
                                                    code_tag::kBytes,
                                                    variant::kMagic,
                                                    variant::kCacheTag,
                                                    variant::kDigestLow,
                                                    variant::kKeyHash,
                                                    variant::kChecksumLow,
                                                    variant::kHeaderBytes,
                                                    kMaxKeyBytes,
                                                    kMaxTokenBytes,
                                                    kMaxProbes,
                                                    kMaxChainSteps,
                                                    compute_regions(1u << 20).slot_count,
                                                    compute_regions(1u << 20).heap_offset};
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a: readable, and constexpr
  for (const std::uint64_t fact : kFacts) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      hash = (hash ^ (fact >> (8 * byte) & 0xff)) * 0x100'0000'01b3;
    }
  }
  return hash;
}

}  // namespace layout
}  // namespace bifrost
