// record_layout.hpp - the bytes of a chunk that agent and readers agree on.
//
// A chunk is a header page and a row of blocks: records (one version of one key) and variants (what one interpreter
// compiled of one source). Blocks are appended and never change, but for the words named here. Specification:
// docs/shm-layout.md.
#pragma once

#include <array>
#include <cstdint>

#include "common/layout/segment_layout.hpp"

namespace bifrost::layout {

namespace chunk {
inline constexpr std::uint64_t kMagic = 0x4b4e'4843'5352'4642;  // "BFRSCHNK" in memory order
inline constexpr std::uint64_t kStoreLow = 32;                  // as in the root
inline constexpr std::uint64_t kStoreHigh = 40;
inline constexpr std::uint64_t kNumber = 48;
inline constexpr std::uint64_t kUsedBytes = 64;  // rises: blocks end here, and memory beyond may not be there
inline constexpr std::uint64_t kGone = 72;       // 1: the memory behind the header page is given back
inline constexpr std::uint64_t kHeaderBytes = kPageBytes;
}  // namespace chunk

// The first word of a block: its kind above, its bytes in whole words below.
enum class Block : std::uint8_t { kRecord = 1, kVariant = 2 };
constexpr Word pack_extent(Block block, std::uint64_t bytes) {
  return static_cast<Word>(block) << 56 | bytes;
}
constexpr std::uint64_t extent_bytes(Word extent) {
  return extent & ((std::uint64_t{1} << 56) - 1);
}

// Record: these words, then key, token and content, each padded with zeros to a whole word.
namespace record {
inline constexpr std::uint64_t kExtent = 0;
inline constexpr std::uint64_t kCreated = 8;    // generation that made this version visible
inline constexpr std::uint64_t kPrevious = 16;  // address of the version before, 0: none
inline constexpr std::uint64_t kShape = 24;     // see pack_shape
inline constexpr std::uint64_t kContentBytes = 32;
inline constexpr std::uint64_t kLink = 40;       // modules and packages: key hash of the file that they stand for
inline constexpr std::uint64_t kDigestLow = 48;  // XXH3-128 of the content
inline constexpr std::uint64_t kDigestHigh = 56;
inline constexpr std::uint64_t kChecksumLow = 64;  // of the words above, key and token
inline constexpr std::uint64_t kChecksumHigh = 72;
inline constexpr std::uint64_t kVariants = 80;  // set once: address of the first variant, 0: none (not checksummed)
inline constexpr std::uint64_t kMarks = 88;     // bits of Mark, rewritten in place (not checksummed)
inline constexpr std::uint64_t kHeaderBytes = 96;
}  // namespace record

// Variant: these words, then the code, padded with zeros to a whole word.
namespace variant {
inline constexpr std::uint64_t kExtent = 0;
inline constexpr std::uint64_t kNext = 8;  // set once: address of the next variant of the same source, 0: none
inline constexpr std::uint64_t kCodeBytes = 16;
inline constexpr std::uint64_t kMagic = 24;      // see pack_code_key
inline constexpr std::uint64_t kCacheTag = 32;   // code_tag::kCacheTagBytes of NUL-padded text
inline constexpr std::uint64_t kDigestLow = 64;  // of the content that was compiled
inline constexpr std::uint64_t kDigestHigh = 72;
inline constexpr std::uint64_t kKeyHash = 80;      // of the storage path that it was compiled for
inline constexpr std::uint64_t kChecksumLow = 88;  // of the words from kCodeBytes to here, and the code
inline constexpr std::uint64_t kChecksumHigh = 96;
inline constexpr std::uint64_t kHeaderBytes = 104;
}  // namespace variant

// The content of a commit's record: these words, then the addresses of the file records that it made visible.
namespace commit {
inline constexpr std::uint64_t kUnixMs = 0;
inline constexpr std::uint64_t kChanges = 8;  // how many there were; the list ends after kMaxListed
inline constexpr std::uint64_t kHeaderBytes = 16;
inline constexpr std::uint64_t kMaxListed = 256;
}  // namespace commit

enum class RecordKind : std::uint8_t {
  kAbsent = 1,       // the key was deleted
  kSource = 2,       // file space: content is the module's source, token the JSON `hash`
  kNotMirrored = 3,  // file space: exists in Redis, content says why it is not here
  kModule = 4,       // node space: link names `{key}.py`
  kPackage = 5,      // node space: link names `{key}/__init__.py`, content lists the children
  kNamespace = 6,    // node space: content lists the children
  kCommit = 7,       // log space: what one generation changed; previous is the commit before
};

enum class KeySpace : std::uint8_t {
  kFile = 0,  // storage paths, as in `bifrost:module:{path}`
  kNode = 1,  // import names with `/` between the parts; "" is the root
  kLog = 2,   // commits: not in the slot table, control::kLastCommit leads to them
};

// Why a version came to be.
enum class Reason : std::uint8_t {
  kChange = 0,  // Redis said so
  kExpiry = 1,  // the key expired, with --on-expiry drop
  kPrune = 2,   // an operator dropped what Redis no longer has
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
  Reason reason = Reason::kChange;
};

constexpr Word pack_shape(Shape s) {
  return static_cast<Word>(s.kind) | static_cast<Word>(s.space) << 8 | static_cast<Word>(s.key_bytes) << 16 |
         static_cast<Word>(s.token_bytes) << 32 | static_cast<Word>(s.reason) << 48;
}
constexpr Shape unpack_shape(Word word) {
  return {static_cast<RecordKind>(word & 0xff), static_cast<KeySpace>(word >> 8 & 0xff),
          static_cast<std::uint16_t>(word >> 16), static_cast<std::uint16_t>(word >> 32),
          static_cast<Reason>(word >> 48 & 0xff)};
}

// What makes compiled code an interpreter's own, beside its cache tag: the magic number of its byte code, and the
// optimisation level (0, 1 or 2).
constexpr Word pack_code_key(std::uint32_t magic, std::uint8_t optimization) {
  return static_cast<Word>(magic) | static_cast<Word>(optimization) << 32;
}

inline constexpr std::uint64_t kMaxKeyBytes = 1024;
inline constexpr std::uint64_t kMaxTokenBytes = 1024;
// Blocks begin below this offset, which an Address can name; the last one may end beyond.
inline constexpr std::uint64_t kMaxBlockOffset = std::uint64_t{1} << (Address::kOffsetBits + 3);
// A chunk is planned as this part of what is stored.
inline constexpr std::uint64_t kChunksPerStore = 16;
inline constexpr std::uint64_t kMinChunkBytes = 4u << 20;

constexpr std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + kWordBytes - 1) / kWordBytes * kWordBytes;
}
constexpr std::uint64_t record_bytes(std::uint64_t key, std::uint64_t token, std::uint64_t content) {
  return record::kHeaderBytes + padded(key) + padded(token) + padded(content);
}
constexpr std::uint64_t variant_bytes(std::uint64_t code) {
  return variant::kHeaderBytes + padded(code);
}

// Changes whenever a size or an offset of root or chunk does, whether or not somebody remembered the version number.
constexpr std::uint64_t fingerprint() {
  constexpr std::uint64_t kFacts[] = {kLayoutVersion,
                                      kRootHeaderBytes,
                                      header::kStoreLow,
                                      header::kSlotsOffset,
                                      header::kSlotCount,
                                      header::kChunkBase,
                                      header::kEpoch,
                                      header::kBootLow,
                                      header::kTimeNamespace,
                                      control::kGeneration,
                                      control::kOldestGeneration,
                                      control::kRetired,
                                      control::kSyncedThroughNs,
                                      control::kLeaseUntilNs,
                                      control::kState,
                                      control::kComplete,
                                      control::kLastCommit,
                                      control::kChunksBegun,
                                      control::kRunId,
                                      control::kDeployingSinceMs,
                                      control::kCodeTags,
                                      control::kCodeTagCapacity,
                                      control::kCounters,
                                      control::kCounterCapacity,
                                      kFingerprintShift,
                                      Address::kOffsetBits,
                                      chunk::kNumber,
                                      chunk::kUsedBytes,
                                      chunk::kGone,
                                      chunk::kHeaderBytes,
                                      record::kExtent,
                                      record::kCreated,
                                      record::kPrevious,
                                      record::kShape,
                                      record::kContentBytes,
                                      record::kLink,
                                      record::kDigestLow,
                                      record::kChecksumLow,
                                      record::kVariants,
                                      record::kMarks,
                                      record::kHeaderBytes,
                                      code_tag::kBytes,
                                      variant::kNext,
                                      variant::kMagic,
                                      variant::kCacheTag,
                                      variant::kDigestLow,
                                      variant::kKeyHash,
                                      variant::kChecksumLow,
                                      variant::kHeaderBytes,
                                      commit::kHeaderBytes,
                                      commit::kMaxListed,
                                      kMaxKeyBytes,
                                      kMaxTokenBytes,
                                      kMaxProbes,
                                      kMaxChainSteps,
                                      padded(1)};
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a over words
  for (const std::uint64_t fact : kFacts) {
    hash ^= fact;
    hash *= 0x0000'0100'0000'01b3;
  }
  return hash;
}

}  // namespace bifrost::layout
