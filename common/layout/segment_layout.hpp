// segment_layout.hpp - the bytes of the root that agent and readers agree on, and nothing else.
//
// A store is a root (the file `segment`: header, control block, slot table) and chunks (files of records, see
// record_layout.hpp). All are arrays of little-endian 64-bit words; offsets are in bytes and multiples of 8.
// Specification with picture, tables and worked dumps: docs/shm-layout.md. The golden test is
// tests/common/segment_layout_test.cpp: it spells the numbers again, so that a change here without a new
// kLayoutVersion turns it red.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>

namespace bifrost {

struct Generation {
  std::uint64_t value = 0;
  auto operator<=>(const Generation&) const = default;
};

struct SlotNumber {
  std::uint64_t value = 0;
  auto operator<=>(const SlotNumber&) const = default;
};

// Chunks are numbered upwards from 1 for as long as the store lives; no number is used twice.
struct ChunkNumber {
  std::uint64_t value = 0;
  auto operator<=>(const ChunkNumber&) const = default;
};

// Where a record or a variant begins: the number of its chunk, and there the offset in words. 0 means none.
struct Address {
  static constexpr unsigned kOffsetBits = 24;

  std::uint64_t value = 0;
  auto operator<=>(const Address&) const = default;

  constexpr Address() = default;
  explicit constexpr Address(std::uint64_t word) : value(word) {}
  constexpr Address(ChunkNumber chunk, std::uint64_t offset_bytes)
      : value(chunk.value << kOffsetBits | offset_bytes / 8) {}

  constexpr ChunkNumber chunk() const { return {value >> kOffsetBits}; }
  constexpr std::uint64_t offset() const { return (value & ((std::uint64_t{1} << kOffsetBits) - 1)) * 8; }
};

namespace layout {

using Word = std::uint64_t;
static_assert(std::endian::native == std::endian::little, "the segment is little-endian");

inline constexpr std::uint64_t kWordBytes = 8;
inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::uint64_t kLayoutVersion = 3;

// Frozen prefix of both kinds of file: where these words stand and what they mean never changes, in any version.
namespace prefix {
inline constexpr std::uint64_t kMagic = 0;
inline constexpr std::uint64_t kLayoutVersion = 8;
inline constexpr std::uint64_t kFingerprint = 16;
inline constexpr std::uint64_t kTotalBytes = 24;
}  // namespace prefix

// Root header: written once, before the file gets its name.
namespace header {
inline constexpr std::uint64_t kMagic = 0x4745'5354'5352'4642;  // "BFRSTSEG" in memory order
inline constexpr std::uint64_t kStoreLow = 32;                  // random: which chunks belong to this root
inline constexpr std::uint64_t kStoreHigh = 40;
inline constexpr std::uint64_t kSlotsOffset = 64;
inline constexpr std::uint64_t kSlotCount = 72;        // a power of two
inline constexpr std::uint64_t kChunkBase = 80;        // what the slots' chunk numbers are counted from
inline constexpr std::uint64_t kEpoch = 96;            // unix time in ns at creation: tells one root from the next
inline constexpr std::uint64_t kAgentPid = 104;        // in the agent's pid namespace: to show, never to signal
inline constexpr std::uint64_t kAgentStartedMs = 112;  // unix time
inline constexpr std::uint64_t kLeaseMs = 120;
inline constexpr std::uint64_t kBootLow = 128;  // the boot whose clock the times below belong to: its boot_id
inline constexpr std::uint64_t kBootHigh = 136;
inline constexpr std::uint64_t kTimeNamespace = 144;  // inode of the agent's time namespace, 0: unknown
inline constexpr std::uint64_t kAgentVersion = 192;   // NUL-padded text
inline constexpr std::uint64_t kAgentVersionBytes = 64;
inline constexpr std::uint64_t kRedisUrl = 256;  // without credentials, NUL-padded text
inline constexpr std::uint64_t kRedisUrlBytes = 256;
inline constexpr std::uint64_t kWorkspace = 512;  // NUL-padded text
inline constexpr std::uint64_t kWorkspaceBytes = 512;
}  // namespace header

// Control block: words that the agent rewrites while readers look. The hot ones have a cache line each.
namespace control {
inline constexpr std::uint64_t kGeneration = 1024;
inline constexpr std::uint64_t kOldestGeneration = 1088;  // snapshots before it may have lost versions
inline constexpr std::uint64_t kRetired = 1152;
inline constexpr std::uint64_t kSyncedThroughNs = 1216;
inline constexpr std::uint64_t kLeaseUntilNs = 1224;
inline constexpr std::uint64_t kHeartbeatNs = 1232;
inline constexpr std::uint64_t kState = 1280;
inline constexpr std::uint64_t kComplete = 1288;  // see complete_since
inline constexpr std::uint64_t kRedisConnected = 1296;
inline constexpr std::uint64_t kSignals = 1304;
inline constexpr std::uint64_t kModules = 1312;
inline constexpr std::uint64_t kNotMirrored = 1320;
inline constexpr std::uint64_t kRetained = 1328;
inline constexpr std::uint64_t kNodes = 1336;
inline constexpr std::uint64_t kSlotsUsed = 1344;
inline constexpr std::uint64_t kLiveBytes = 1352;     // newest versions with their code
inline constexpr std::uint64_t kHistoryBytes = 1360;  // versions that only older snapshots need
inline constexpr std::uint64_t kCodeBytes = 1368;     // part of kLiveBytes
inline constexpr std::uint64_t kSizeBytes = 1376;     // root and chunks together, as the file system counts them
inline constexpr std::uint64_t kMaxBytes = 1384;
inline constexpr std::uint64_t kChunks = 1392;
inline constexpr std::uint64_t kHistorySinceNs = 1400;  // boot time of kOldestGeneration's end, 0: nothing was given up
inline constexpr std::uint64_t kHistoryLimit = 1408;    // HistoryLimit
inline constexpr std::uint64_t kHistoryMs = 1416;       // --history
inline constexpr std::uint64_t kLastCommit = 1424;      // address of the newest commit's record, 0: none
inline constexpr std::uint64_t kChunksBegun = 1432;     // this root leads to no chunk with a higher number
inline constexpr std::uint64_t kRunId = 1456;           // of the server that the mirror is in sync with, NUL-padded
inline constexpr std::uint64_t kRunIdBytes = 48;
inline constexpr std::uint64_t kDeployingSinceMs = 1504;  // unix time; 0: no deploy is going on
inline constexpr std::uint64_t kCuts = 1512;              // Cuts
inline constexpr std::uint64_t kHeldSinceNs = 1520;       // boot time since which writes may be held back, 0: none are
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

inline constexpr std::uint64_t kRootHeaderBytes = 4096;

// What control::kComplete says: 0, or one more than the generation since which a miss means "not in Redis".
constexpr std::uint64_t complete_since(Generation g) {
  return g.value + 1;
}
constexpr bool is_complete_since(std::uint64_t said, Generation g) {
  return said != 0 && g.value >= said - 1;
}

// What the agent says about itself in control::kState.
enum class AgentState : std::uint64_t {
  kStarting = 1,  // no full sync yet in this agent's life
  kSyncing = 2,   // connected, reading everything again
  kLive = 3,      // the change stream is intact
  kDegraded = 4,  // live, but some modules do not fit: workers ask Redis for those
  kCold = 5,      // Redis lost the modules; what was seen is kept
  kStopped = 6,   // ended on purpose
};

// Bits of control::kSignals. Unproven: it is the only one, and nobody may ask whether the server sends it.
enum class Signal : std::uint64_t { kKeyspace = 1, kTracking = 2, kUnproven = 4 };

// What keeps the history from reaching further back.
enum class HistoryLimit : std::uint64_t { kAge = 0, kHistorySize = 1, kMaxSize = 2, kFileSystem = 3 };

// How the agent finds out that keys written together have been read together.
enum class Cuts : std::uint64_t { kUnknown = 0, kMarks = 1, kFences = 2 };

// One slot: fingerprint in the upper 16 bits; below, an address whose chunk number is counted from header::kChunkBase.
// 0 is a slot never used. A dropped slot belonged to a key that no snapshot knows any more: probes go on behind it.
inline constexpr unsigned kFingerprintShift = 48;
inline constexpr std::uint64_t kSlotAddressMask = (std::uint64_t{1} << kFingerprintShift) - 1;
inline constexpr std::uint64_t kDroppedAddress = 1;
inline constexpr std::uint64_t kChunksPerBase = std::uint64_t{1} << (kFingerprintShift - Address::kOffsetBits);

constexpr Word slot_word(std::uint16_t fingerprint, Address record, ChunkNumber base) {
  return static_cast<Word>(fingerprint) << kFingerprintShift | (record.value - (base.value << Address::kOffsetBits));
}
constexpr Word dropped_slot_word(std::uint16_t fingerprint) {
  return static_cast<Word>(fingerprint) << kFingerprintShift | kDroppedAddress;
}
constexpr std::uint16_t slot_fingerprint(Word word) {
  return static_cast<std::uint16_t>(word >> kFingerprintShift);
}
constexpr bool slot_dropped(Word word) {
  return (word & kSlotAddressMask) == kDroppedAddress;
}
constexpr Address slot_record(Word word, ChunkNumber base) {
  return Address((word & kSlotAddressMask) + (base.value << Address::kOffsetBits));
}

// Limits that writer and reader both rely on.
inline constexpr std::uint64_t kMaxProbes = 1024;                         // slots looked at for one key
inline constexpr std::uint64_t kMaxChainSteps = 65536;                    // record headers read for one lookup
inline constexpr std::uint64_t kMaxVariants = control::kCodeTagCapacity;  // of one record
inline constexpr std::uint64_t kMinSlots = 1024;
inline constexpr std::uint64_t kMaxSlots = std::uint64_t{1} << 32;

// Where the parts of a root with `slot_count` slots lie. The only place that decides it.
struct Regions {
  std::uint64_t slot_count = 0;

  constexpr std::uint64_t total_bytes() const { return kRootHeaderBytes + slot_count * kWordBytes; }
  constexpr std::uint64_t slot_offset(SlotNumber slot) const { return kRootHeaderBytes + slot.value * kWordBytes; }
  constexpr bool valid() const {
    return std::has_single_bit(slot_count) && slot_count >= kMinSlots && slot_count <= kMaxSlots;
  }
  auto operator<=>(const Regions&) const = default;
};

}  // namespace layout
}  // namespace bifrost
